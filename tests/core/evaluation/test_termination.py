import os
import signal

import pytest

from core.evaluation.termination import ending_in_order


def work(done: list[str]) -> None:
    """Be asked to end in the middle of something that must be written."""
    with ending_in_order():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            done.append("written")


def test_a_termination_signal_ends_in_order_within_and_as_before_after():
    before, done = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(SystemExit, match="termination signal"):
        work(done)
    assert done == ["written"]
    assert signal.getsignal(signal.SIGTERM) is before
