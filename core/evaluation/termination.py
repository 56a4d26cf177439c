"""Take a termination signal as an ordinary end, so that what is done is written first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MESSAGE = "error: stopped by a termination signal. With --cache, what was encoded is kept: start it again to go on."


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within, SIGTERM (of torchrun when another process has died, of a scheduler, of a user) raises SystemExit.

    Python alone would end at once. Only the main thread of a process may enter.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(MESSAGE)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
