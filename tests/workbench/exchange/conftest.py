"""A corpus of a small bundle, and one of a folder of pictures."""

import pytest

from workbench.bundles.bundle import Bundle, open_bundle
from workbench.exchange.corpus import Corpus, bundle_corpus


@pytest.fixture(scope="session")
def small_bundle(written_run) -> Bundle:
    return open_bundle(written_run / "bundles" / "000010-miniature")


@pytest.fixture(scope="session")
def corpus(small_bundle) -> Corpus:
    return bundle_corpus(small_bundle)
