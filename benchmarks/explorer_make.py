"""Make a generated evaluation through the writers that evaluations and imports use: one step in a process of its own.

python -m benchmarks.explorer_make files SIZE FOLDER STARTED      what an import of that size reads, in FOLDER/files
python -m benchmarks.explorer_make bundle SIZE FOLDER STARTED     the bundle, in a run's folder in FOLDER/runs

STARTED is `time.monotonic()` at the start of this process. The last line that is printed is JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bounded_process import peak_gb
from benchmarks.explorer_sizes import (
    ASKS,
    ROWS_AT_ONCE,
    SIZES,
    Size,
    dataset_name,
    items,
    pools,
    right_answers,
    unit_vectors,
)
from core.config.command_line import plain, to_yaml
from core.config.settings import TrainSettings
from core.data.records import Item, Ranking, RankingTask
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded
from core.evaluation.metrics import Score
from core.evaluation.scoring import ranked_in_turn, scores
from core.files.atomic import write_text
from core.files.run_layout import CONFIG
from core.objectives.settings import ObjectiveSettings
from core.training.logs import MetricsLog
from core.vector_import.import_bundle import ImportSettings, import_embeddings

STEPS = 1500
EVALUATED, IMPORTED = "runs/trained", "runs/imported"
PAIRS = "pairs.parquet"


def task(size: Size, number: int, made: list[Item]) -> RankingTask:
    """Return a data set's rankings over its items."""
    targets = tuple(made[size.queries :])
    asks = ASKS if size.attributes else ()
    if size.candidates is None:
        right = right_answers(size, number)
        rankings = [Ranking(made[query], targets, (int(each),), asks) for query, each in enumerate(right)]
    else:
        chosen = (tuple(map(targets.__getitem__, pool.tolist())) for pool in pools(size, number))
        rankings = [Ranking(made[query], pool, (0,), asks) for query, pool in enumerate(chosen)]
    return RankingTask(dataset_name(number), "retrieval", number % 2 == 0, tuple(rankings))


def write_evaluation(size: Size, folder: Path) -> tuple[list[Score], float, float]:
    """Rank, score and write generated records as an evaluation does.

    Returns the scores, and seconds by the clock and of processors, without those of generating.
    """
    every: list[Item] = []
    tasks: list[RankingTask] = []
    vectors = np.empty((size.datasets * size.rows, size.dimensions), np.float32)
    for number in range(size.datasets):
        made = list(items(size, number))
        tasks.append(task(size, number, made))
        vectors[len(every) : len(every) + size.rows] = np.concatenate(list(unit_vectors(size, number)))
        every += made
    started, used = time.monotonic(), time.process_time()
    embedded = Embedded(tuple(every), vectors)
    objective = ObjectiveSettings()
    tables = RankedTables(embedded.items, objective.at(1, 1))
    found = scores([tables.add(each) for each in ranked_in_turn(tasks, embedded)])
    description = Description("generated", STEPS, {"name": "generated"}, plain(objective))
    write_bundle(folder / "bundles" / "generated", description, embedded, tables, found)
    return found, time.monotonic() - started, time.process_time() - used


def write_run(folder: Path) -> None:
    """Write what a training leaves in its folder beside checkpoints: its settings, and a line of numbers a step."""
    write_text(folder / CONFIG, to_yaml(TrainSettings(output=folder, steps=STEPS)))
    log = MetricsLog(folder, 0)
    chance = np.random.default_rng(0)
    for step in range(1, STEPS + 1):
        gone, noise = step / STEPS, 0.05 * float(chance.standard_normal())
        numbers = {"loss": 4 - 3 * gone + noise, "infonce_loss": 4 - 3 * gone, "margin": gone / 2 + noise}
        log.write({"step": step, **numbers, "hardest": 0.6 - gone / 5, "pairs_per_second": 100.0})
    log.close()


def write_files(size: Size, folder: Path) -> None:
    """Write vectors.npy, items.parquet and pairs.parquet of all data sets."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (size.datasets * size.rows, size.dimensions)
    out = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float32, shape)
    row = 0
    with pq.ParquetWriter(folder / "items.parquet", pa.schema({"id": pa.string(), "text": pa.string()})) as writer:
        for number in range(size.datasets):
            for block in unit_vectors(size, number):
                out[row : row + len(block)] = block
                row += len(block)
            texts = [item.text for item in items(size, number)]
            for start in range(0, size.rows, ROWS_AT_ONCE):
                some = texts[start : start + ROWS_AT_ONCE]
                ids = [item_id(number, start + place) for place in range(len(some))]
                writer.write_table(pa.table({"id": ids, "text": some}))
    out.flush()
    pq.write_table(pa.concat_tables([pairs_table(size, number) for number in range(size.datasets)]), folder / PAIRS)


def item_id(number: int, place: int) -> str:
    """Return the id of an item of a data set."""
    return f"{number}-{place}"


def pairs_table(size: Size, number: int) -> pa.Table:
    """Return a data set's queries with their right answers, and their candidates where each has its own."""
    targets = [item_id(number, place) for place in range(size.queries, size.rows)]
    columns: dict[str, Any] = {
        "query": [item_id(number, query) for query in range(size.queries)],
        "positive": [targets[right] for right in right_answers(size, number)],
        "dataset": [dataset_name(number)] * size.queries,
    }
    if size.candidates is not None:
        columns["candidates"] = [[targets[each] for each in pool] for pool in pools(size, number)]
    return pa.table(columns)


def make(step: str, size: Size, folder: Path, started: float) -> dict[str, float]:
    """Do one step; what it took. An import counts from the start of the process, an evaluation without generating."""
    if step == "files":
        write_files(size, folder / "files")
        return {"seconds": time.monotonic() - started, "peak_gb": peak_gb()}
    if size.imported:
        files = folder / "files"
        settings = ImportSettings(
            files / "vectors.npy", folder / IMPORTED, files / "items.parquet", files / PAIRS, name="generated"
        )
        found = import_embeddings(settings, progress=False).scores
        seconds, used = time.monotonic() - started, time.process_time()
    else:
        write_run(folder / EVALUATED)
        found, seconds, used = write_evaluation(size, folder / EVALUATED)
    overall = next(each for each in found if (each.scope, each.metric) == ("overall", "P@1"))
    taken = {"seconds": seconds, "cpu_s": used, "peak_gb": peak_gb()}
    return taken | {"precision_at_1": overall.value, "chance": overall.chance}


def main(step: str, name: str, folder: str, started: str) -> None:
    """Make and print."""
    print(json.dumps(make(step, SIZES[name], Path(folder), float(started))))  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main(*sys.argv[1:])
