"""The trainer: open a run, step through the data, log, validate, save, resume, stop when asked."""

import math
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm import tqdm

from core.checkpoints import checkpoint as checkpoints
from core.checkpoints import listing
from core.checkpoints.checkpoint import CheckpointScore, TrainingState
from core.checkpoints.listing import Checkpoint
from core.checkpoints.sharded import is_sharded_checkpoint, load_sharded, save_sharded
from core.config.private_paths import shareable
from core.config.ranges import seed_of_32_bits
from core.config.settings import TrainSettings
from core.data.batches import BatchSampler
from core.data.sources import CheckedData, checked_data
from core.encoder.embedder import Embedder
from core.encoder.item_rules import EveryModelsRules, ItemRules
from core.files.atomic import CannotWrite
from core.objectives.objective import Objective
from core.objectives.settings import strength
from core.parallel.collectives import sum_over_ranks
from core.parallel.fsdp import is_sharded, shard
from core.parallel.job import lost_another
from core.training import validation
from core.training.agreement import Agreed, agree, lacks_pairs
from core.training.config_warnings import config_warnings
from core.training.data_record import SubstitutionList, read_data_states, write_data_states
from core.training.logs import Log, memory_mb, open_logs
from core.training.nan_guard import NonFiniteFault, NonFiniteStep, write_fault
from core.training.optimizer import learning_rate
from core.training.recorder import Recorder
from core.training.rewards import FrozenReward
from core.training.run_folder import open_run, refuse_existing, write_skipped
from core.training.starting_model import starting_embedder
from core.training.step import StepOutcome, Stepper, margin, mixed_precision
from core.training.step_data import StepData, Steps, load
from core.training.step_pairs import BadStep

LOSS = "mean infonce_loss"


class Interrupted(RuntimeError):
    """Training was stopped by Ctrl-C or a termination signal, after saving; the message says how to go on."""


class StepWithoutPairs(ValueError):
    """Pairs of a step went bad during training; what was done was saved first, and the message says how to go on."""


class Trainer:
    """One run of `TrainSettings` in this process, together with the other ranks of the job."""

    def __init__(self, settings: TrainSettings) -> None:
        """Open or create the run folder, build the model and the data, and restore the latest checkpoint to resume.

        Raises:
            ValueError: a setting does not fit the others, the run folder, or the data.
        """
        settings = shareable(settings) if settings.private_paths else settings
        self.settings = settings
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision(settings.precision), cpu=not torch.cuda.is_available()
        )
        check_world(settings, self.accelerator.num_processes)
        set_seed(seed_of_32_bits(settings.seed))
        refuse_existing(settings)
        self.embedder = placed(
            starting_embedder(settings, self.accelerator.is_main_process), settings, self.accelerator
        )
        self.embedder.train()
        recorder = (
            Recorder(settings.record, settings.output, self.accelerator.process_index)
            if settings.record.every
            else None
        )
        self.step = Stepper(settings, self.embedder, self.accelerator, recorder)
        data = self._data()
        self.batches = BatchSampler(
            data.datasets, settings.batch, settings.data.block, settings.seed, settings.data.weights
        )
        self.positives = data.positives
        latest = open_run(settings, self.accelerator)
        self.done = latest.step if latest else 0
        self._substituted: SubstitutionList | None = None
        if self.accelerator.is_main_process:
            write_skipped(settings.output, data.problems)
            write_data_states(settings.output, data, self.done)
            self._substituted = SubstitutionList(settings.output, self.done)
            for caution in [*data_warnings(data), *config_warnings(settings, data.datasets)]:
                print(f"warning: {caution}", file=sys.stderr)
        self._saved = self.done
        self._in_a_row = self._restore(latest) if latest else 0
        self._losses: list[float] = []
        self._validation: dict[str, float] | None = None
        self._stop = False

    def run(self) -> Path:
        """Train to the last step and return the last checkpoint's folder.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; a checkpoint was written first.
            StepWithoutPairs: pairs went bad and data.on_bad_item says stop, or none could stand in; saved first.
            NonFiniteStep: embeddings, loss or gradient are not finite, and on_nonfinite says stop.
            ValueError: something else about a step's data, or the disk, is wrong.
        """
        settings = self.settings
        main = self.accelerator.is_main_process
        previous = [signal.signal(each, self._ask_to_stop) for each in (signal.SIGINT, signal.SIGTERM)]
        logs = open_logs(settings.output, self.done, settings.log.tensorboard) if main else []
        bar = tqdm(total=settings.steps, initial=self.done, unit="step", disable=not main, leave=True)
        try:
            for data in load(self.steps(), self.done, settings.steps, settings.data.workers):
                self._advance(data, logs, bar)
                stop = self._stop_agreed()
                if stop or self.done % settings.save_every == 0 or self.done == settings.steps:
                    self.save(logs)
                if stop:
                    raise Interrupted(self._how_to_go_on())
        finally:
            bar.close()
            for log in logs:
                log.close()
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), previous, strict=True):
                signal.signal(number, handler)
        return settings.output / "checkpoints" / f"{settings.steps:06d}"

    def steps(self) -> Steps:
        """Return the data of this rank by step, counted from 0."""
        accelerator = self.accelerator
        return Steps(
            self.batches,
            self.embedder.prepare,
            self.embedder.collate,
            self.settings.chunk,
            accelerator.process_index,
            accelerator.num_processes,
            self.settings.data.negatives,
            self.positives,
            self.settings.data.on_bad_item,
        )

    def save(self, logs: list[Log]) -> None:
        """Write a checkpoint of the steps done, and delete those that are neither among the latest nor the best.

        Raises:
            core.files.atomic.CannotWrite: the system refused.
        """
        settings = self.settings
        main = self.accelerator.is_main_process
        if self._saved < self.done and (main or is_sharded(self.embedder)):
            for log in logs:
                log.keep()
            objective = described(settings.objective.name, self.step.objective(self.done - 1))
            state = TrainingState(objective, self._score(), self._in_a_row, self.step.tensors())
            write = save_together if is_sharded(self.embedder) else checkpoints.save
            write(settings.output, self.done, self.embedder, self.step.optimizer, state)
            if main:
                checkpoints.prune(settings.output, settings.keep_latest, settings.keep_best)
        self._saved, self._losses = self.done, []
        self.accelerator.wait_for_everyone()

    def _data(self) -> CheckedData:
        """Return the checked data sets, with the rows that the run left out when it began, if it is resumed."""
        settings = self.settings
        resumed = settings.resume and listing.latest(settings.output) is not None
        return checked_data(
            settings.data,
            settings.seed,
            self.accelerator.is_main_process,
            EveryModelsRules(tuple(ItemRules(each.prepare) for each in self._readers())),
            read_data_states(settings.output) if resumed else {},
        )

    def _readers(self) -> list[Embedder]:
        """Return the models that read pictures and texts: the one that trains, and a frozen one that weighs."""
        reward = self.step.reward
        return [self.embedder, *([reward.embedder] if isinstance(reward, FrozenReward) else [])]

    def _restore(self, latest: Checkpoint) -> int:
        """Put weights, optimizer and reward back, bit for bit; the number of steps skipped in a row before."""
        if is_sharded_checkpoint(latest.folder):
            load_sharded(latest.folder, self.embedder, self.step.optimizer)
        else:
            # At least as exact as any of the weights, of which frozen ones may be narrower.
            exact = torch.float64 if self.settings.precision == "float64" else torch.float32
            saved = Embedder.load(latest.folder, exact)
            self.embedder.load_state_dict(saved.state_dict())
            checkpoints.restore_optimizer(latest, self.embedder, self.step.optimizer)
        state = checkpoints.training_state(latest)
        self.step.restore(state.tensors)
        return state.in_a_row

    def _advance(self, data: StepData | BadStep, logs: list[Log], bar: "tqdm[Any]") -> None:
        """Return one step with its log line and progress."""
        started = time.perf_counter()
        agreed = self._agree(data, logs)
        assert isinstance(data, StepData)
        outcome = self._try(data)
        row = self._row(data.step, outcome, agreed.tokens, time.perf_counter() - started) | agreed.numbers()
        self.done = data.step + 1
        self._validation = None
        # Passes through a sharded model need every rank.
        here = self.accelerator.is_main_process or is_sharded(self.embedder)
        if here and validation.due(self.settings, self.done):
            self._validation = validation.validate(self.embedder, self.settings.validate.queries)
            row["validation"] = self._validation
        for log in logs:
            log.write(row)
        bar.update()
        if outcome.fault is not None:
            self._skip(outcome.fault)
            return
        self._in_a_row = 0
        self._losses.append(row["infonce_loss"])
        bar.set_postfix(
            loss=f"{row['loss']:.3f}", margin=f"{row['margin']:+.2f}", pairs_per_s=f"{row['pairs_per_second']:.0f}"
        )

    def _agree(self, data: StepData | BadStep, logs: list[Log]) -> Agreed:
        """Return what all ranks say of a step's data; new substitutions are listed and warned of.

        Raises:
            StepWithoutPairs: on every rank, if one of them lacks pairs; what was done is saved.
        """
        agreed = agree(data, self.accelerator.device)
        for each in self._substituted.add(agreed.substitutions) if self._substituted else ():
            words = f"step {each.step}: {each.where}: {each.reason} Instead: {each.substitute}."
            tqdm.write(f"warning: {words}", sys.stderr)
        if agreed.problems:
            self.save(logs)
            skips = self.settings.data.on_bad_item == "skip"
            raise StepWithoutPairs(lacks_pairs(data.step + 1, agreed.problems, self.done, skips, self._command()))
        return agreed

    def _try(self, data: StepData) -> StepOutcome:
        """Return one step; what goes wrong names it and its data sets."""
        try:
            outcome = self.step(data)
        except CannotWrite:
            raise
        except (ValueError, RuntimeError) as error:
            if lost_another(error):
                raise
            names = ", ".join(sorted({pair.dataset for pair in data.pairs}))
            raise ValueError(f"Step {data.step + 1} (data sets {names}) failed: {error}") from error
        if outcome.fault is not None and self.settings.on_nonfinite == "stop":
            raise NonFiniteStep(
                f"{outcome.fault} The latest checkpoint is from before; with --on_nonfinite skip such steps are "
                "left out."
            )
        return outcome

    def _skip(self, fault: NonFiniteFault) -> None:
        """List a step that was left out; too many of them in a row end the run."""
        self._in_a_row += 1
        if self.accelerator.is_main_process:
            write_fault(self.settings.output, fault)
        if self._in_a_row >= self.settings.nonfinite_limit:
            raise NonFiniteStep(f"{self._in_a_row} steps in a row were not finite (nonfinite_limit); the last: {fault}")

    def _row(self, step: int, outcome: StepOutcome, tokens: int, seconds: float) -> dict[str, Any]:
        """Return the line of metrics.jsonl; positive, hardest and margin are means over this rank's rows."""
        settings = self.settings
        row: dict[str, Any] = {"step": step + 1}
        if outcome.fault is not None:
            row["skipped"] = str(outcome.fault)
        else:
            assert outcome.contrast is not None
            row |= numbers_of(outcome)
        return row | {
            "learning_rate": learning_rate(settings.optimizer, step, settings.steps),
            "alpha": strength(outcome.objective),
            "temperature": outcome.objective.temperature,
            "pairs_per_second": settings.batch / seconds,
            "tokens_per_second": tokens / seconds,
            "memory_mb": memory_mb(),
        }

    def _score(self) -> CheckpointScore | None:
        """Score the checkpoint of now: by this step's validation, or the mean loss since the checkpoint before."""
        if self.settings.validate.every:
            return validation.score_of(self._validation) if self._validation else None
        losses = self._losses
        return CheckpointScore(LOSS, math.fsum(losses) / len(losses), higher=False) if losses else None

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _stop_agreed(self) -> bool:
        """Tell whether any rank was asked to stop; every rank answers alike."""
        asked = torch.tensor(float(self._stop), device=self.accelerator.device)
        return float(sum_over_ranks(asked)) > 0

    def _how_to_go_on(self) -> str:
        return f"Stopped after step {self.done} of {self.settings.steps}; saved. Go on with: {self._command()}"

    def _command(self) -> str:
        processes, run = self.accelerator.num_processes, self.settings.output
        return f"torchrun --nproc_per_node={processes} core/train.py --config {run}/config.yaml --resume"


def data_warnings(data: CheckedData) -> list[str]:
    """Say what of the data is not as it was when the run began."""
    found = list(data.changes)
    if data.newly_bad:
        found.append(
            f"{len(data.newly_bad)} rows that were good when the run began cannot be used any more; other pairs stand "
            f"in for them. The first: {data.newly_bad[0]}"
        )
    return found


def numbers_of(outcome: StepOutcome) -> dict[str, float]:
    """Return the numbers of a step that was done."""
    contrast = outcome.contrast
    assert contrast is not None
    contested = torch.isfinite(contrast.hardest)
    margins = margin(contrast)[contested]
    return {
        "loss": float(contrast.loss),
        "infonce_loss": float(contrast.infonce_loss),
        "gradient_norm": outcome.gradient_norm,
        "positive": float(contrast.positive.mean()),
        "hardest": float(contrast.hardest[contested].mean()) if len(margins) else 0.0,
        "margin": float(margins.mean()) if len(margins) else 0.0,
    }


def check_world(settings: TrainSettings, processes: int) -> None:
    """Raise ValueError unless the batch divides by the number of processes."""
    if settings.batch % processes:
        raise ValueError(f"batch = {settings.batch} must be a multiple of the number of processes, {processes}.")


def placed(embedder: Embedder, settings: TrainSettings, accelerator: Accelerator) -> Embedder:
    """Return the embedder on this process's device: whole, or its language model spread over the processes."""
    if settings.sharding == "none":
        return embedder.to(accelerator.device)
    compute = torch.bfloat16 if accelerator.mixed_precision == "bf16" else None
    return shard(embedder, accelerator.device, settings.sharding_replicas, compute)


def save_together(run: Path, step: int, embedder: Embedder, optimizer: torch.optim.AdamW, state: TrainingState) -> None:
    """Write a checkpoint of a sharded model; every rank must call it.

    Raises:
        core.files.atomic.CannotWrite: the system refused.
    """
    folder = run / "checkpoints" / f"{step:06d}"
    save_sharded(folder, embedder, optimizer, lambda partial: checkpoints.describe(partial, step, state))


def described(name: str, objective: Objective) -> dict[str, Any]:
    """Return an objective as training.json says it."""
    return {"name": name, **vars(objective)}
