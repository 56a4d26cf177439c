"""What the check before work asks of the model that will do it; `core.encoder.item_rules` answers."""

import PIL.Image
from typing_extensions import Protocol, runtime_checkable

from core.data.records import Item


@runtime_checkable
class ModelRules(Protocol):
    """What a model refuses. Each method raises what the work itself would raise."""

    def suspects_size(self, size: tuple[int, int]) -> bool:
        """Tell, by the width and height of a picture or frame, whether `refuse_picture` has to be asked."""
        ...

    def refuse_picture(self, picture: PIL.Image.Image, name: str) -> None:
        """Raise if the model cannot take a picture or frame, such as one too narrow; called by several threads.

        name: of its file, for the message.
        """
        ...

    def suspects(self, item: Item) -> bool:
        """Tell, quickly and opening nothing, whether `refuse_item` has to be asked."""
        ...

    def refuse_item(self, item: Item) -> None:
        """Raise if the model cannot take an item whose pictures are good, such as one of too many tokens."""
        ...
