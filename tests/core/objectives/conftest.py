"""Every objective in turn."""

import pytest
from objective_cases import CASES, Case


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]
