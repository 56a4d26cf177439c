"""What is told of pictures that cannot be used, and once of those that are used otherwise than one may think."""

import logging

SAID: set[str] = set()
"""The kinds that this process has warned of."""

logger = logging.getLogger(__name__)


class BadImage(ValueError):
    """A picture that cannot be used; the message names the file and the reason."""


def say_once(kind: str, name: str, detail: str = "") -> None:
    """Warn of the first picture of a kind in this process; the others are not listed."""
    if kind not in SAID:
        SAID.add(kind)
        logger.warning("%s: %s%s. Others like it are not listed.", name, kind, detail and f" ({detail})")
