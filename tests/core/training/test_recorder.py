"""A record holds what the closed forms of whole rows say of each query's heaviest negatives."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from objective_cases import CASES

from core.config.settings import RecordSettings
from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.data.records import Item, Pair, Text
from core.encoder.embedder import Embedder
from core.objectives.objective import row_terms
from core.training.recorder import Recorder, short_id
from core.training.step_data import StepData, integer_id, step_data

N = 6


def words(text: str) -> Item:
    return Item((Text(text),))


@pytest.fixture(scope="module")
def data(tiny: Embedder) -> StepData:
    """Six pairs, the first two of which share a target, and two explicit negatives."""
    pairs = [
        Pair(
            words(f"query {row}"),
            words(f"target {max(row, 1)}"),
            "letters" if row < 3 else "digits",
            "vqa",
            (words(f"negative {row}"),) if row in (2, 5) else (),
            origin=f"file:{row}",
        )
        for row in range(N)
    ]
    return step_data(6, pairs, tiny.prepare, tiny.collate, chunk=4, negatives=1)


def batch_of(data: StepData) -> EmbeddingBatch:
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(len(data.items), 5, generator=generator, dtype=torch.float64)
    vectors = torch.nn.functional.normalize(vectors, dim=-1)
    return EmbeddingBatch(
        vectors[data.query_rows],
        vectors[data.target_rows],
        data.query_ids,
        data.target_ids,
        vectors[data.negative_rows],
        data.negative_ids,
        data.negative_owners,
    )


@pytest.mark.parametrize("name", CASES)
def test_the_record_equals_the_closed_forms_of_whole_rows(name: str, data: StepData, tmp_path: Path) -> None:
    objective, batch = CASES[name].objective, batch_of(data)
    assert batch.negatives is not None
    recorder = Recorder(RecordSettings(every=7, negatives=4), tmp_path, rank=0)
    assert recorder.wants(7)
    assert not recorder.wants(8)
    recording = recorder.recording(7, data, objective)
    value_and_gradient(objective, batch, tile_rows=4, observe=recording.observe)
    recording.write()
    rows = pq.read_table(recorder.path(7)).to_pylist()

    columns = torch.cat([batch.targets, batch.negatives])
    ids = torch.cat([batch.target_ids, data.negative_ids])
    similarity = batch.queries @ columns.T
    positive = torch.eye(N, len(columns), dtype=torch.bool)
    excluded = (batch.target_ids[:, None] == ids) & ~positive
    own = torch.zeros_like(positive)
    own[data.negative_owners, torch.arange(N, len(columns))] = True
    terms = row_terms(objective, similarity, positive, excluded, None, own)
    assert len(rows) == 4 * N
    for number, pair in enumerate(data.pairs):
        mine = [row for row in rows if row["origin"] == pair.origin]
        assert [row["place"] for row in mine] == [1, 2, 3, 4]
        for row, place in zip(mine, terms.share[number].argsort(descending=True)[:4].tolist(), strict=True):
            assert row["negative_id"] == short_id(int(ids[place]))
            assert row["query_id"] == short_id(integer_id(pair.query.content_id))
            assert (row["step"], row["dataset"]) == (7, pair.dataset)
            assert row["similarity"] == pytest.approx(similarity[number, place].item(), rel=1e-9)
            assert row["positive_similarity"] == pytest.approx(similarity[number, number].item(), rel=1e-9)
            for field in ("weight", "share"):
                assert row[field] == pytest.approx(getattr(terms, field)[number, place].item(), rel=1e-7), field
            expected = terms.probability[number, place].item()
            assert row["probability"] == pytest.approx(expected, rel=1e-7, abs=1e-15)
