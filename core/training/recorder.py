"""Record what the objective did to pairs: each query's heaviest negatives and their share of its gradient."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from core.config.settings import RecordSettings
from core.contrast.similarity_tiles import Tile
from core.files.atomic import whole_file
from core.objectives.objective import Objective, PairSimilarities, Value, shares
from core.training.step_data import StepData


class Recorder:
    """Collects the tiles of one step and writes `pairs/<step>-rank<r>.parquet`.

    One row a (query, negative): step, dataset, query_id, positive_id, origin of the pair, negative_id, place (1 is
    the heaviest), similarity, positive_similarity, weight, probability and share of the query's pull on negatives.
    Direction query -> target. Ids are the first 15 characters of content ids. The origin of a negative is that of
    the rows whose positive_id it is.
    """

    def __init__(self, settings: RecordSettings, run: Path, rank: int) -> None:
        self.settings = settings
        self.folder = run / "pairs"
        self.rank = rank

    def wants(self, step: int) -> bool:
        """Tell whether a step, counted from 1, is to be recorded."""
        return step % self.settings.every == 0

    def recording(self, step: int, data: StepData, objective: Objective) -> "Recording":
        """Return a recording of one step, to be given the contrast step's tiles."""
        return Recording(self, step, data, objective)

    def path(self, step: int) -> Path:
        """Say where a step's record of this rank lies."""
        return self.folder / f"{step:06d}-rank{self.rank}.parquet"


class Recording:
    """One step's record in the making."""

    def __init__(self, recorder: Recorder, step: int, data: StepData, objective: Objective) -> None:
        self._recorder = recorder
        self._step = step
        self._data = data
        self._objective = objective
        self._tables: list[pa.Table] = []

    def observe(self, tile: Tile, value: Value, direction: Float[Tensor, "m columns"]) -> None:
        """Keep the heaviest negatives of a tile's rows."""
        of_row = shares(direction)
        count = min(self._recorder.settings.negatives, of_row.shape[1])
        share, column = of_row.topk(count, dim=1)
        row, place = (share > 0).nonzero(as_tuple=True)
        columns = column[row, place]
        chosen = PairSimilarities(
            tile.pairs.similarity[row, columns],
            tile.pairs.reward[row, columns],
            None if tile.pairs.own_negatives is None else tile.pairs.own_negatives[row, columns],
        )
        log_weight = self._objective.pair_weight(chosen)
        log_weight = log_weight + self._objective.anchor_weight(tile.reward_positive)[row]
        numbers = {
            "place": place + 1,
            "similarity": chosen.similarity,
            "positive_similarity": tile.positive[row],
            "weight": torch.exp(log_weight),
            "probability": value.pull[row] * direction[row, columns] * self._objective.temperature,
            "share": share[row, place],
        }
        places = row.cpu() + tile.rows.start
        pairs = [self._data.pairs[each] for each in places.tolist()]
        columns_of_names = {
            "step": [self._step] * len(pairs),
            "dataset": [pair.dataset for pair in pairs],
            "query_id": [short_id(each) for each in self._data.query_ids[places].tolist()],
            "positive_id": [short_id(each) for each in self._data.target_ids[places].tolist()],
            "origin": [pair.origin for pair in pairs],
            "negative_id": [short_id(each) for each in tile.tiles.column_ids[columns].tolist()],
        }
        self._tables.append(pa.table(columns_of_names | {name: each.cpu().numpy() for name, each in numbers.items()}))

    def write(self) -> None:
        """Write the record in one piece."""
        with whole_file(self._recorder.path(self._step)) as partial:
            pq.write_table(pa.concat_tables(self._tables), partial)


def short_id(number: int) -> str:
    """Return the first 15 characters of the content id that `core.training.step_data.integer_id` made into a number."""
    return f"{number:015x}"
