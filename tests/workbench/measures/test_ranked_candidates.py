"""Ranked candidates against a plain sort of the same similarities."""

import pytest

from workbench.bundles.bundle import open_bundle
from workbench.measures.ranked_candidates import Folded, ranked_candidates


@pytest.mark.parametrize("shown", [0, 2, 12])
def test_candidates_stand_at_their_place_and_folds_hold_the_rest(written_run, shown):
    bundle = open_bundle(written_run / "bundles" / "000010-miniature")
    for number in range(len(bundle.rankings)):
        query = bundle.query(number)
        cosine = {int(r): float(bundle.vectors[r] @ bundle.vectors[query.query]) for r in bundle.candidates.of(number)}
        ordered = sorted(cosine, key=lambda row: -cosine[row])
        found = ranked_candidates(bundle, number, shown)
        places = []
        for each in found:
            if isinstance(each, Folded):
                places += range(each.first, each.last + 1)
                ends = [cosine[ordered[each.first - 1]], cosine[ordered[each.last - 1]]]
                assert [each.highest, each.lowest] == pytest.approx(ends, abs=1e-6)
                assert each.right == 0
                continue
            places.append(each.place)
            assert each.item == ordered[each.place - 1]
            assert (each.negative is None) == (each.item in query.right)
            assert each.place <= shown or each.item == query.positive
            if each.negative is not None:
                assert each.negative == next(n for n in bundle.hardest(number) if n.item == each.item)
        assert places == list(range(1, query.size + 1))
        assert sum(not isinstance(each, Folded) and each.item == query.positive for each in found) == 1
