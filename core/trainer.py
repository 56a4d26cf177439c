"""The training loop: encode, contrast, back-propagate, step; log, record, save, resume, stop when asked."""

import signal
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from core import checkpoint as checkpoints
from core.config import TrainSettings
from core.data.batches import Batches
from core.data.collate import StepData, Steps, load
from core.data.sources import training_data
from core.encoder.backbone import to_float64
from core.encoder.embedder import Embedder
from core.encoder.inputs import Inputs
from core.encoder.tiny import tiny_embedder
from core.logs import MetricsLog
from core.objectives.hardness import HardnessWeighted
from core.objectives.softmax import Objective
from core.optimizer import adamw, learning_rate, set_learning_rate
from core.parallel.contrast import Batch, Contrast, value_and_gradient
from core.parallel.gather import sum_gradients, sum_over_ranks
from core.parallel.gradient_cache import CachedEncoder
from core.recorder import Recorder
from core.run_folder import open_run, write_skipped


class Interrupted(RuntimeError):
    """Training was stopped by Ctrl-C or a termination signal, after saving; the message says how to go on."""


@dataclass(frozen=True)
class Outcome:
    """What one step did: the contrast, and the gradient's norm before clipping."""

    contrast: Contrast
    gradient_norm: float


class Trainer:
    """One run of `TrainSettings` in this process, together with the other ranks of the job."""

    def __init__(self, settings: TrainSettings) -> None:
        """Open or create the run folder, build the model and the data, and restore the latest checkpoint to resume.

        Raises:
            ValueError: a setting does not fit the others, the run folder, or the data.
        """
        self.settings = settings
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision(settings.precision), cpu=not torch.cuda.is_available()
        )
        check_world(settings, self.accelerator.num_processes)
        set_seed(settings.seed)
        # Denormal numbers, which small gradients are full of early on, slow a CPU's matrix products several times.
        torch.set_flush_denormal(True)
        self.embedder = starting_embedder(settings).to(self.accelerator.device)
        self.embedder.train()
        self.reward = frozen_reward(settings, self.accelerator.device)
        self.optimizer = adamw(self.embedder, settings.optimizer)
        datasets, problems = training_data(settings.data, settings.seed, self.accelerator.is_main_process)
        self.batches = Batches(datasets, settings.batch, settings.data.block, settings.seed)
        self.done = open_run(settings, self.accelerator)
        if self.accelerator.is_main_process:
            write_skipped(settings.output, problems)
        if self.done:
            restore(settings.output, self.embedder, self.optimizer)
        self.recorder = Recorder(settings.record, settings.output, self.accelerator.process_index)
        self.recorder.forget_after(self.done)
        self._stop = False

    def run(self) -> Path:
        """Train to the last step and return the last checkpoint's folder.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; a checkpoint was written first.
            ValueError: the embeddings or the loss are no longer finite.
        """
        settings = self.settings
        previous = [signal.signal(each, self._ask_to_stop) for each in (signal.SIGINT, signal.SIGTERM)]
        log = MetricsLog(settings.output, self.done) if self.accelerator.is_main_process else None
        bar = tqdm(
            total=settings.steps,
            initial=self.done,
            unit="step",
            disable=not self.accelerator.is_main_process,
            leave=True,
        )
        try:
            for data in load(self._steps(), self.done, settings.steps, settings.data.workers):
                self._advance(data, log, bar)
                if self._stop_agreed():
                    self._save()
                    raise Interrupted(self._how_to_go_on())
            self._save()
        finally:
            bar.close()
            if log is not None:
                log.close()
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), previous, strict=True):
                signal.signal(number, handler)
        return settings.output / "checkpoints" / f"{settings.steps:06d}"

    def step(self, data: StepData) -> Outcome:
        """One optimizer step on one rank's data."""
        settings, number = self.settings, data.step + 1
        set_seed(
            settings.seed * 1_000_003 + data.step * self.accelerator.num_processes + self.accelerator.process_index
        )
        objective = settings.objective.at(data.step, settings.steps)
        encoder = CachedEncoder(self._encode, data.chunks, settings.keep_chunks)
        vectors = torch.cat(encoder.vectors())
        recording = self.recorder.recording(number, data, objective) if self.recorder.wants(number) else None
        contrast = value_and_gradient(objective, self._batch(data, vectors), observe=recording and recording.observe)
        if recording is not None:
            recording.write()
        gradient = vector_gradients(contrast, data, vectors)
        encoder.backward(gradient.split([len(chunk.token_ids) for chunk in data.chunks]))
        return Outcome(contrast, self._update(data.step))

    def _update(self, step: int) -> float:
        """Sum the ranks' gradients, clip, and step the optimizer; the norm before clipping."""
        settings = self.settings.optimizer
        sum_gradients(self.embedder.parameters())
        norm = torch.nn.utils.clip_grad_norm_(self.embedder.parameters(), settings.clip, error_if_nonfinite=True)
        set_learning_rate(self.optimizer, learning_rate(settings, step, self.settings.steps))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def _encode(self, chunk: Inputs) -> Float[Tensor, "n d"]:
        with self.accelerator.autocast(), attention_kernel(self.accelerator):
            return self.embedder(chunk)

    def _batch(self, data: StepData, vectors: Float[Tensor, "items d"]) -> Batch:
        device = vectors.device
        rewards: dict[str, Tensor] = {}
        if self.reward is not None:
            rewards["reward_queries"] = self.reward.embed([pair.query for pair in data.pairs]).to(device)
            rewards["reward_targets"] = self.reward.embed([pair.positive for pair in data.pairs]).to(device)
        return Batch(
            vectors[data.query_rows.to(device)],
            vectors[data.target_rows.to(device)],
            data.query_ids.to(device),
            data.target_ids.to(device),
            **rewards,
        )

    def _advance(self, data: StepData, log: MetricsLog | None, bar: "tqdm[Any]") -> None:
        """One step with its log line, progress and checkpoint."""
        started = time.perf_counter()
        try:
            outcome = self.step(data)
        except (ValueError, RuntimeError) as error:
            names = ", ".join(sorted({pair.dataset for pair in data.pairs}))
            raise ValueError(f"Step {data.step + 1} (data sets {names}) failed: {error}") from error
        tokens = int(sum_over_ranks(torch.tensor(data.tokens, device=self.accelerator.device)))
        row = self._row(data.step, outcome, tokens, time.perf_counter() - started)
        self.done = data.step + 1
        bar.update()
        bar.set_postfix(
            loss=f"{row['loss']:.3f}", margin=f"{row['margin']:+.2f}", pairs_per_s=f"{row['pairs_per_second']:.0f}"
        )
        if log is not None:
            log.write(row)
        if self.done % self.settings.save_every == 0 and self.done < self.settings.steps:
            self._save()

    def _row(self, step: int, outcome: Outcome, tokens: int, seconds: float) -> dict[str, int | float]:
        """The line of metrics.jsonl; positive, hardest and margin are means over this rank's rows."""
        objective = self.settings.objective.at(step, self.settings.steps)
        contrast = outcome.contrast
        contested = torch.isfinite(contrast.hardest)
        margin = (contrast.positive - contrast.hardest)[contested]
        return {
            "step": step + 1,
            "loss": float(contrast.loss),
            "infonce_loss": float(contrast.infonce_loss),
            "learning_rate": learning_rate(self.settings.optimizer, step, self.settings.steps),
            "alpha": alpha_of(objective),
            "gradient_norm": outcome.gradient_norm,
            "positive": float(contrast.positive.mean()),
            "hardest": float(contrast.hardest[contested].mean()) if len(margin) else 0.0,
            "margin": float(margin.mean()) if len(margin) else 0.0,
            "pairs_per_second": self.settings.batch / seconds,
            "tokens_per_second": tokens / seconds,
            "memory_mb": memory_mb(),
        }

    def _steps(self) -> Steps:
        settings, accelerator = self.settings, self.accelerator
        return Steps(
            self.batches,
            self.embedder.prepare,
            self.embedder.collate,
            settings.chunk,
            accelerator.process_index,
            accelerator.num_processes,
        )

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            checkpoints.save(self.settings.output, self.done, self.embedder, self.optimizer)
        self.accelerator.wait_for_everyone()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _stop_agreed(self) -> bool:
        """Whether any rank was asked to stop; every rank answers alike."""
        asked = torch.tensor(float(self._stop), device=self.accelerator.device)
        return float(sum_over_ranks(asked)) > 0

    def _how_to_go_on(self) -> str:
        processes, run = self.accelerator.num_processes, self.settings.output
        return (
            f"Stopped after step {self.done} of {self.settings.steps}; saved. Go on with: "
            f"torchrun --nproc_per_node={processes} core/train.py --config {run}/config.yaml --resume"
        )


def vector_gradients(contrast: Contrast, data: StepData, vectors: Float[Tensor, "items d"]) -> Float[Tensor, "items d"]:
    """The loss's gradient of every distinct item's vector: the sum over the pairs in which it is query or target."""
    total = torch.zeros_like(vectors)
    total.index_add_(0, data.query_rows.to(vectors.device), contrast.query_gradients)
    total.index_add_(0, data.target_rows.to(vectors.device), contrast.target_gradients)
    return total


def mixed_precision(precision: str) -> str:
    """accelerate's name for the encoder's arithmetic: bf16 when asked for, or by "auto" on hardware that has it."""
    return "bf16" if precision == "bfloat16" or (precision == "auto" and has_bfloat16()) else "no"


def attention_kernel(accelerator: Accelerator) -> AbstractContextManager[object]:
    """The unfused attention for bfloat16 on a CPU, where the fused one's backward takes half of the step."""
    if accelerator.device.type == "cpu" and accelerator.mixed_precision == "bf16":
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def has_bfloat16() -> bool:
    """Whether the GPU, or without one the CPU, multiplies bfloat16 matrices in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def check_world(settings: TrainSettings, processes: int) -> None:
    """Raise ValueError unless the batch divides by the number of processes."""
    if settings.batch % processes:
        raise ValueError(f"batch = {settings.batch} must be a multiple of the number of processes, {processes}.")


def starting_embedder(settings: TrainSettings) -> Embedder:
    """The fresh tiny model, or the checkpoint that model.start names; in float64 when the precision asks for it."""
    model = settings.model
    if model.start == "tiny":
        embedder = tiny_embedder(settings.seed, model.width, model.layers, model.vision_layers)
    else:
        embedder = Embedder.load(checkpoints.resolve(Path(model.start)).folder)
    if settings.precision == "float64":
        to_float64(embedder.backbone)
    return embedder


def frozen_reward(settings: TrainSettings, device: torch.device) -> Embedder | None:
    """The frozen embedder whose similarities set the weights, or None for the policy."""
    if settings.objective.reward == "policy" or settings.objective.name != "llave":
        return None
    return Embedder.load(checkpoints.resolve(Path(settings.objective.reward)).folder).to(device).eval()


def restore(run: Path, embedder: Embedder, optimizer: torch.optim.AdamW) -> None:
    """Load the run's latest checkpoint into the model and the optimizer, bit for bit."""
    latest = checkpoints.latest(run)
    assert latest is not None
    saved = Embedder.load(latest.folder, next(embedder.parameters()).dtype)
    embedder.load_state_dict(saved.state_dict())
    checkpoints.restore_optimizer(latest, embedder, optimizer)


def alpha_of(objective: Objective) -> float:
    """The hardness weighting's strength, 0 for objectives without one."""
    return objective.alpha if isinstance(objective, HardnessWeighted) else 0.0


def memory_mb() -> float:
    """Memory in megabytes: the GPU's peak where there is one, else this process's resident set now."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return psutil.Process().memory_info().rss / 2**20
