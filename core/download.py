"""Fetch a data set or a model from the Hugging Face hub into a folder.

python core/download.py --what mmeb-eval --to data/MMEB-eval
python core/download.py --what mmeb-train --to data/MMEB-train --datasets '[OK-VQA, WebQA]'
python core/download.py --what model --name owner/model --to models/model

Sizes and free space are told first. The commit is written beside the files; the same command goes on after a break.
"""

import sys

from core.config.command_line import parse
from core.data.download import DownloadSettings, download


def main() -> int:
    """Parse and fetch; 0 when done, 1 for a user's error."""
    settings = parse(DownloadSettings, "Fetch a data set or a model from the hub.")
    try:
        records = download(settings)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for record in records:
        print(f"{settings.to}: {record.repository} at commit {record.commit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
