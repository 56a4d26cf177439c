"""Published models that recipes start from: their configs, shipped beside the recipes, and how to get their weights."""

import json
from dataclasses import dataclass
from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "recipes" / "configs"


@dataclass(frozen=True)
class Published:
    """A published model.

    repository: its name on the Hugging Face hub. checked: against what its sizes were checked. folder: holds its
    config.json and preprocessor_config.json.
    """

    name: str
    repository: str
    checked: str
    folder: Path

    def commands(self, start: str) -> str:
        """Say what to type to get the model as the checkpoint folder `start`."""
        source = f"models/{self.repository.rpartition('/')[2]}-published"
        return (
            f"python core/download.py --what model --name {self.repository} --to {source} && "
            f"python core/convert.py --source {source} --output {start}"
        )


def published(name: str) -> Published:
    """Return the published model of a name.

    Raises:
        ValueError: none of that name is known; the message lists all.
    """
    known = sorted(path.parent.name for path in CONFIGS.glob("*/source.json"))
    if name not in known:
        raise ValueError(f"model.published = {name!r} is unknown; there are {', '.join(known)}.")
    said = json.loads((CONFIGS / name / "source.json").read_text(encoding="utf-8"))
    return Published(name, said["repository"], said["checked"], CONFIGS / name)
