"""Pushing a folder to a model repository on the Hugging Face hub.

The token is the one that huggingface_hub finds: HF_TOKEN, or that of `hf auth login`. It is neither read nor kept here.
"""

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from typing_extensions import Protocol, runtime_checkable

MESSAGE = "Add the model and its card"


@runtime_checkable
class Hub(Protocol):
    """What is used of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        """Make a model repository, unless it exists."""
        ...

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> object:
        """Push all files of a folder as one commit."""
        ...


def push(folder: Path, repo: str, private: bool, hub: Hub | None = None) -> str:
    """Push a folder's files and return the repository's address. An existing repository stays as public as it is.

    Raises:
        ValueError: the hub refused or could not be reached, or the repository's name is none.
    """
    api: Hub = HfApi() if hub is None else hub  # pyright: ignore[reportAssignmentType] - more arguments, all optional
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=MESSAGE)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ValueError(
            f"repo = {repo!r}: the hub did not take it ({error}). Check the name, the connection, and that "
            "`hf auth login` or HF_TOKEN gives a token that may write there."
        ) from error
    return f"https://huggingface.co/{repo}"
