"""Heads: they learn, batches hold the twins they should, and comparisons are on equal terms."""

import pytest
import torch
from torch.nn.functional import normalize

from core.objectives.infonce import InfoNCE
from core.objectives.objective import row_terms
from workbench.lessons import heads


@pytest.fixture
def data():
    """Scenes in the first 8 dimensions, noise of each picture in the other 24."""
    drawn = torch.Generator().manual_seed(0)

    def picture(scenes):
        noise = 1.3 * torch.randn(*scenes.shape[:-1], 24, generator=drawn) / 24**0.5
        return normalize(torch.cat([scenes, noise], dim=-1), dim=-1)

    scenes = normalize(torch.randn(200, 8, generator=drawn), dim=1)
    own, pools = scenes[:20], scenes[torch.randint(20, 200, (20, 9), generator=drawn)]
    candidates = picture(torch.cat([own[:, None], pools], dim=1))
    return heads.Features(*(picture(scenes) for _ in range(4)), picture(own), candidates)


def infonce(step):
    cosines = step.queries @ step.targets.T
    return row_terms(InfoNCE(0.1), cosines, torch.eye(len(cosines), dtype=torch.bool)).loss.mean()


def test_a_head_learns_to_leave_the_noise_out(data):
    untrained = heads.outcome(heads.train_head(data, infonce, steps=0), data)
    trained = heads.outcome(heads.train_head(data, infonce, steps=100), data)
    assert trained.p_at_1 > untrained.p_at_1 + 0.1
    assert trained.against_hard.auroc > untrained.against_hard.auroc
    assert trained.positive - trained.hard > untrained.positive - untrained.hard


def test_start_and_batches_depend_on_the_seed_alone(data):
    seen = []

    def watching(step):
        seen.append(step.frozen_queries)
        return infonce(step) * (1 if len(seen) < 4 else 2)

    for _ in range(2):
        heads.train_head(data, watching, seed=5, steps=3)
    assert all(torch.equal(first, second) for first, second in zip(seen[:3], seen[3:], strict=True))
    assert not torch.equal(heads.train_head(data, infonce, seed=1, steps=0), heads.train_head(data, infonce, steps=0))


@pytest.mark.parametrize(("share", "twice"), [(0.0, 0), (0.5, 16), (1.0, 32)])
def test_batches_hold_the_twins_they_should(data, share, twice):
    queries, targets = heads.batch(data, share, torch.Generator().manual_seed(0))
    assert len(queries) == len(targets) == heads.BATCH
    scene = normalize(queries[:, :8], dim=1) @ normalize(queries[:, :8], dim=1).T
    assert int(((scene - torch.eye(len(scene))).amax(dim=1) > 0.9999).sum()) == 2 * twice
    assert torch.allclose(normalize(queries[:, :8], dim=1), normalize(targets[:, :8], dim=1), atol=1e-5)


def test_neither_reward_has_a_gradient_and_the_average_follows(data):
    seen = []

    def watching(step):
        seen.append(step)
        return infonce(step)

    heads.train_head(data, watching, steps=3)
    for step in seen:
        assert step.queries.requires_grad
        assert not step.frozen_queries.requires_grad
        assert not step.average_queries.requires_grad
    assert torch.allclose(seen[0].average_queries, seen[0].queries.detach())
    assert not torch.allclose(seen[2].average_queries, seen[2].queries.detach())


def test_a_head_that_tells_nothing_apart_is_at_chance_and_the_right_answer_is_the_first(data):
    alike = data.candidates[:, :1].expand_as(data.candidates)
    found = heads.Features(*(*vars(data).values(),)[:-1], alike)
    assert heads.outcome(torch.eye(32)[:, :16], found).p_at_1 == pytest.approx(1 / alike.shape[1])
    away = torch.cat([data.test_queries[:, None], -data.test_queries[:, None].expand(-1, 6, -1)], dim=1)
    sure = heads.outcome(torch.eye(32), heads.Features(*(*vars(data).values(),)[:-1], away))
    assert (sure.p_at_1, round(sure.positive, 5), round(sure.hard, 5)) == (1.0, 1.0, -1.0)


def test_threads_are_given_back(data):
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        heads.train_head(data, lambda step: 1 / 0)
    assert torch.get_num_threads() == before
