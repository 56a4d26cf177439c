"""Whose vectors set the weights: the averaged ones are those of a model with averaged weights."""

import copy
from pathlib import Path

import pytest
import torch

from core.data.batches import BatchSampler
from core.data.miniature.benchmark import training_sets
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.training.rewards import AverageReward, FrozenReward, PolicyReward, reward_of
from core.training.step_data import StepData, Steps


@pytest.fixture
def policy() -> Embedder:
    return tiny_embedder(0, 32, 1, 1)


def data_of(embedder: Embedder) -> StepData:
    sets = [each for each in training_sets() if each.name in ("colour", "look-alike")]
    return Steps(BatchSampler(sets, 4, 2, 0), embedder.prepare, embedder.collate, 3, 0, 1)[0]


def change(embedder: Embedder, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in embedder.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)


def test_the_policy_needs_nothing(policy: Embedder) -> None:
    reward = reward_of("policy", 0.9, policy, policy)
    assert isinstance(reward, PolicyReward)
    assert reward.vectors(data_of(policy), []) is None
    assert reward.tensors() == {}


def test_the_average_is_a_model_of_averaged_weights(policy: Embedder) -> None:
    """Against the formula written out, and a second model that really holds the averages."""
    data, reward = data_of(policy), AverageReward(policy, policy, 0.75)
    expected = {name: weight.detach().double() for name, weight in policy.named_parameters()}
    for seed in (1, 2, 3):
        change(policy, seed)
        reward.update()
        for name, weight in policy.named_parameters():
            expected[name] = 0.75 * expected[name] + 0.25 * weight.detach().double()
    other = copy.deepcopy(policy)
    other.load_state_dict({name: value.float() for name, value in expected.items()}, strict=False)
    other.eval()
    before = {name: weight.detach().clone() for name, weight in policy.named_parameters()}
    policy.train()
    vectors = reward.vectors(data, data.chunks)
    with torch.no_grad():
        torch.testing.assert_close(vectors, torch.cat([other(chunk) for chunk in data.chunks]), atol=1e-5, rtol=0)
        plain = torch.cat([policy(chunk) for chunk in data.chunks])
    assert (vectors - plain).abs().max() > 0.01
    assert not vectors.requires_grad
    assert policy.training
    assert all(torch.equal(weight, before[name]) for name, weight in policy.named_parameters())


def test_the_average_starts_as_the_model_and_decay_one_keeps_it_so(policy: Embedder) -> None:
    data, reward = data_of(policy), AverageReward(policy, policy, 1.0)
    start = reward.vectors(data, data.chunks)
    change(policy, 1)
    reward.update()
    assert torch.equal(reward.vectors(data, data.chunks), start)


def test_an_average_is_put_back_and_one_that_does_not_fit_is_refused(policy: Embedder) -> None:
    data, reward = data_of(policy), AverageReward(policy, policy, 0.5)
    kept = {name: value.clone() for name, value in reward.tensors().items()}
    start = reward.vectors(data, data.chunks)
    change(policy, 1)
    reward.update()
    assert not torch.equal(reward.vectors(data, data.chunks), start)
    reward.restore(kept)
    assert torch.equal(reward.vectors(data, data.chunks), start)
    with pytest.raises(ValueError, match="holds no average of backbone"):
        reward.restore({})


def test_a_frozen_checkpoint_is_asked_for_every_row(policy: Embedder, tmp_path: Path) -> None:
    other = tiny_embedder(7, 64, 1, 1)
    other.save(tmp_path / "frozen")
    reward = reward_of(str(tmp_path / "frozen"), 0.9, policy, policy)
    assert isinstance(reward, FrozenReward)
    data = data_of(policy)
    vectors = reward.vectors(data, data.chunks)
    assert vectors.shape == (len(data.items), 64)
    expected = other.embed([pair.positive for pair in data.pairs])
    torch.testing.assert_close(vectors[data.target_rows], expected, atol=1e-5, rtol=0)
