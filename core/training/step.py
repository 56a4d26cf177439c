"""One optimizer step of one rank: encode, contrast, back-propagate, update. It needs no run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from jaxtyping import Float
from torch import Tensor

from core.checkpoints.checkpoint import optimizer_tensors, put_back
from core.config.ranges import seed_of_32_bits
from core.config.settings import TrainSettings
from core.contrast.contrast import Contrast, value_and_gradient
from core.contrast.gradient_cache import CachedEncoder, graph_budget
from core.contrast.similarity_tiles import EmbeddingBatch
from core.encoder.embedder import Embedder
from core.encoder.feature_cache import FeatureCache
from core.encoder.freezing import set_attention
from core.encoder.inputs import ModelInputs
from core.objectives.learned import LearnedTemperature
from core.objectives.objective import Objective
from core.parallel.collectives import sum_gradients
from core.parallel.fsdp import (
    abandon_step,
    agreed_minimum,
    clip_gradients,
    equal_passes,
    gradient_norm,
    local,
    reduce_in_next_backward,
    replicated,
)
from core.training.nan_guard import NonFiniteFault, anywhere, bad_rows, pull_fault, vector_fault
from core.training.optimizer import adamw, learning_rate, set_learning_rate
from core.training.recorder import Recorder
from core.training.rewards import POLICY, reward_of
from core.training.step_data import StepData

LEARNED = "objective/"
"""Before the names of a learned temperature's tensors in a checkpoint."""


@dataclass(frozen=True)
class StepOutcome:
    """What one step did.

    objective: what the step was asked to achieve. contrast: None where embeddings were not finite. gradient_norm:
    before clipping; NaN where it was not reached. fault: what was not finite, the same on every rank; with a fault no
    weight was changed.
    """

    objective: Objective
    contrast: Contrast | None
    gradient_norm: float
    fault: NonFiniteFault | None = None


class Stepper:
    """The optimizer steps of this rank, together with the other ranks of the job.

    Call it with the data of one step. What it does depends on the settings, the weights, the optimizer's and the
    reward's state, and the data alone.
    """

    def __init__(
        self, settings: TrainSettings, embedder: Embedder, accelerator: Accelerator, recorder: Recorder | None = None
    ) -> None:
        """Prepare to train `embedder`, which is on the accelerator's device.

        Raises:
            ValueError: objective.reward names no checkpoint.
        """
        self.settings = settings
        self.embedder = embedder
        self.accelerator = accelerator
        self.recorder = recorder
        set_attention(embedder, settings.model.trainable.packing)
        self.optimizer = adamw(embedder, settings.optimizer)
        cache = settings.model.feature_cache
        self.features = None if cache is None else FeatureCache(cache)
        self.filters = settings.objective.filters
        objective = settings.objective
        reward = objective.reward if objective.weights_by_reward else POLICY
        self.reward = reward_of(reward, objective.reward_decay, embedder, self.encode)
        self.learned = Learned(settings) if objective.learn_temperature else None

    def __call__(self, data: StepData) -> StepOutcome:
        """Return one step; every rank must call it with its part of the same step."""
        settings, accelerator = self.settings, self.accelerator
        own = data.step * accelerator.num_processes + accelerator.process_index
        set_seed(seed_of_32_bits(settings.seed * 1_000_003 + own))
        objective = self.objective(data.step)
        chunks = self._chunks(data)
        encoder = self._encoder(chunks)
        vectors = torch.cat(encoder.vectors())
        reward = self.reward.vectors(data, chunks)
        reward = None if reward is None else reward.to(vectors.device)
        fault = fault_of_vectors(data, vectors, reward)
        if fault is not None:
            abandon_step(self.embedder)
            return StepOutcome(objective, None, float("nan"), fault)
        contrast = self._contrast(objective, data, batch_of(data, vectors, reward))
        if anywhere(~torch.isfinite(contrast.loss)):
            abandon_step(self.embedder)
            return StepOutcome(objective, contrast, float("nan"), pull_fault(data, margin(contrast), "the loss is"))
        gradient = vector_gradients(contrast, data, vectors)
        encoder.backward(gradient.split([len(chunk.token_ids) for chunk in chunks]))
        norm, fault = self._update(data, contrast)
        return StepOutcome(objective, contrast, norm, fault)

    def encode(self, chunk: ModelInputs) -> Float[Tensor, "n d"]:
        """Return the vectors of a chunk in the arithmetic that the settings ask for."""
        with self.accelerator.autocast():
            return self.embedder(chunk)

    def _chunks(self, data: StepData) -> list[ModelInputs]:
        """Return the step's chunks; with a frozen vision tower they hold its features, made once for every pass."""
        with self.accelerator.autocast():
            return equal_passes(self.embedder, self.embedder.with_vision(data.chunks, self.features))

    def _encoder(self, chunks: Sequence[ModelInputs]) -> CachedEncoder[ModelInputs]:
        """Return the encoder of one step, which keeps as many graphs as memory allows."""
        budget = graph_budget(self.settings.graph_memory_gb, self.accelerator.device)
        return CachedEncoder(
            self.encode,
            chunks,
            budget,
            map(local, self.embedder.parameters()),
            partial(reduce_in_next_backward, self.embedder),
            partial(agreed_minimum, self.embedder),
        )

    def objective(self, step: int) -> Objective:
        """Return the objective of a step, counted from 0, with what has been learned of it so far."""
        scheduled = self.settings.objective.at(step, self.settings.steps)
        return scheduled if self.learned is None else self.learned.temperature.apply_to(scheduled)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of reward and objective that a checkpoint has to keep, besides weights and optimizer."""
        return self.reward.tensors() | (self.learned.tensors() if self.learned is not None else {})

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave.

        Raises:
            ValueError: something is missing.
        """
        self.reward.restore(tensors)
        if self.learned is not None:
            self.learned.restore(tensors)

    def _contrast(self, objective: Objective, data: StepData, batch: EmbeddingBatch) -> Contrast:
        """Return the loss and the gradients of the pairs, and their record where one is due."""
        recording = None
        if self.recorder is not None and self.recorder.wants(data.step + 1):
            recording = self.recorder.recording(data.step + 1, data, objective)
        observe = recording and recording.observe
        contrast = value_and_gradient(objective, batch, observe=observe, filters=self.filters)
        if recording is not None:
            recording.write()
        return contrast

    def _update(self, data: StepData, contrast: Contrast) -> tuple[float, NonFiniteFault | None]:
        """Sum the ranks' gradients, clip, and step the optimizer, unless they are not finite; the norm before."""
        weights = [weight for weight in self.embedder.parameters() if weight.requires_grad]
        sum_gradients(replicated(self.embedder))
        norm = gradient_norm(weights)
        fault = None
        if anywhere(~torch.isfinite(norm + contrast.temperature_gradient)):
            fault = pull_fault(data, margin(contrast), "the gradient is", self._weights_not_finite())
        else:
            clip_gradients(weights, self.settings.optimizer.clip, norm)
            rate = learning_rate(self.settings.optimizer, data.step, self.settings.steps)
            set_learning_rate(self.optimizer, rate)
            self.optimizer.step()
            if self.learned is not None:
                self.learned.update(contrast, rate)
            self.reward.update()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm), fault

    def _weights_not_finite(self) -> list[str]:
        """Return names of the weights whose summed gradient holds NaN or infinity."""
        return [
            name
            for name, weight in self.embedder.named_parameters()
            if weight.grad is not None and not bool(torch.isfinite(local(weight.grad)).all())
        ]


class Learned:
    """A temperature that is learned, with its optimizer. Its gradient is no part of the norm that is clipped."""

    def __init__(self, settings: TrainSettings) -> None:
        objective = settings.objective
        start = objective.at(0, settings.steps)
        self.temperature = LearnedTemperature(start, objective.temperature_min, objective.temperature_max)
        self.optimizer = adamw(self.temperature, settings.optimizer)

    def update(self, contrast: Contrast, rate: float) -> None:
        """Make one step at a learning rate."""
        self.temperature.take_gradients(contrast.temperature_gradient, contrast.bias_gradient)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self.temperature.clamp()

    def tensors(self) -> dict[str, Tensor]:
        """Say what a checkpoint has to keep."""
        weights = {f"{LEARNED}{name}": value for name, value in self.temperature.state_dict().items()}
        moments = optimizer_tensors(self.temperature, self.optimizer)
        return weights | {f"{LEARNED}{name}": value for name, value in moments.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave.

        Raises:
            ValueError: something is missing.
        """
        own = {name.removeprefix(LEARNED): value for name, value in tensors.items() if name.startswith(LEARNED)}
        weights = {name: value for name, value in own.items() if "/" not in name}
        if weights.keys() != self.temperature.state_dict().keys():
            raise ValueError("The checkpoint holds no learned temperature; its objective was another one.")
        self.temperature.load_state_dict(weights)
        put_back({name: value for name, value in own.items() if "/" in name}, self.temperature, self.optimizer)


def batch_of(
    data: StepData, vectors: Float[Tensor, "items d"], reward: Float[Tensor, "items r"] | None
) -> EmbeddingBatch:
    """Return the pairs of a step from the vectors of its distinct items."""
    device = vectors.device
    queries, targets = data.query_rows.to(device), data.target_rows.to(device)
    batch = EmbeddingBatch(
        vectors[queries],
        vectors[targets],
        data.query_ids.to(device),
        data.target_ids.to(device),
        known=None if data.known is None else data.known.to(device),
        reward_queries=None if reward is None else reward[queries],
        reward_targets=None if reward is None else reward[targets],
    )
    if not len(data.negative_rows):
        return batch
    negatives = data.negative_rows.to(device)
    return replace(
        batch,
        negatives=vectors[negatives],
        negative_ids=data.negative_ids.to(device),
        negative_owners=data.negative_owners.to(device),
        reward_negatives=None if reward is None else reward[negatives],
    )


def fault_of_vectors(
    data: StepData, vectors: Float[Tensor, "items d"], reward: Float[Tensor, "items r"] | None
) -> NonFiniteFault | None:
    """Say why the step cannot go on, on this rank or another: embeddings, or the reward's, are not finite."""
    bad = bad_rows(vectors)
    bad_reward = torch.zeros_like(bad) if reward is None else bad_rows(reward)
    if not anywhere((bad | bad_reward).any()):
        return None
    if anywhere(bad.any()):
        return vector_fault(data, bad, "some embeddings are")
    return vector_fault(data, bad_reward, "some embeddings of the reward model are")


def margin(contrast: Contrast) -> Float[Tensor, " n"]:
    """Return each pair's positive minus hardest negative similarity; infinite where there is no negative."""
    return contrast.positive - contrast.hardest


def vector_gradients(contrast: Contrast, data: StepData, vectors: Float[Tensor, "items d"]) -> Float[Tensor, "items d"]:
    """Return the loss's gradient of every distinct item's vector: the sum over all places where it stands."""
    total = torch.zeros_like(vectors)
    total.index_add_(0, data.query_rows.to(vectors.device), contrast.query_gradients)
    total.index_add_(0, data.target_rows.to(vectors.device), contrast.target_gradients)
    if contrast.negative_gradients is not None:
        total.index_add_(0, data.negative_rows.to(vectors.device), contrast.negative_gradients)
    return total


def mixed_precision(precision: str) -> str:
    """accelerate's name for the encoder's arithmetic: bf16 when asked for, or by "auto" on hardware that has it."""
    return "bf16" if precision == "bfloat16" or (precision == "auto" and has_bfloat16()) else "no"


def has_bfloat16() -> bool:
    """Tell whether the GPU, or without one the CPU, multiplies bfloat16 matrices in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
