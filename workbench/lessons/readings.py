"""Vectors of queries read in some way of the lesson's own, scored against a trained model's candidates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.data.records import Item, RankingTask
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs, collate
from core.evaluation.ranking import placement
from workbench.measures.token_states import hidden_states

Rule = Callable[[Float[Tensor, "n length d"], Int[Tensor, "n length"]], Float[Tensor, "n d"]]
AT_ONCE = 25


def candidate_vectors(embedder: Embedder, task: RankingTask) -> dict[str, Float[Tensor, " d"]]:
    """Return the vectors of a task's candidates by their content ids."""
    items = {each.content_id: each for ranking in task.rankings for each in ranking.candidates}
    return dict(zip(items, embedder.embed(list(items.values())), strict=True))


def precision_at_1(
    task: RankingTask, queries: Float[Tensor, "n d"], candidates: Mapping[str, Float[Tensor, " d"]]
) -> float:
    """P@1 of a task, in [0, 1], with the given vectors of its queries; ties count by chance, as in the evaluator."""
    hits = 0.0
    for query, ranking in zip(queries, task.rankings, strict=True):
        pool = torch.stack([candidates[each.content_id] for each in ranking.candidates])
        right = torch.zeros(len(pool), dtype=torch.bool)
        right[list(ranking.right)] = True
        hits += placement((pool @ query.to(pool)).double().numpy(), right.numpy()).hit(1)
    return hits / len(task.rankings)


def padded_batch(
    embedder: Embedder, items: Sequence[Item], side: Literal["left", "right"], further: int = 0
) -> ModelInputs:
    """Return items padded on one side to the longest, and by `further` places more."""
    assert isinstance(embedder.tokenizer.pad_token_id, int)
    pad = embedder.tokenizer.pad_token_id
    inputs = collate([embedder.prepare(item) for item in items], pad, side)

    def widened(values: Tensor, fill: int) -> Tensor:
        more = torch.full((*values.shape[:-1], further), fill, dtype=values.dtype)
        return torch.cat([values, more] if side == "right" else [more, values], dim=-1)

    return replace(
        inputs,
        token_ids=widened(inputs.token_ids, pad),
        attention_mask=widened(inputs.attention_mask, 0),
        positions=widened(inputs.positions, 0),
    )


def read_by(
    embedder: Embedder, items: Sequence[Item], rule: Rule, side: Literal["left", "right"], further: int = 0
) -> Float[Tensor, "n d"]:
    """Return the vectors of items by a pooling rule: (states, attention mask) -> vectors. Padded in batches of 25."""
    out = []
    for start in range(0, len(items), AT_ONCE):
        inputs = padded_batch(embedder, items[start : start + AT_ONCE], side, further)
        out.append(rule(hidden_states(embedder, inputs), inputs.attention_mask))
    return torch.cat(out)
