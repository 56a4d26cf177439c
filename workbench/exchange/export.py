"""Handing a bundle, or an embedded folder, to another tool: what to write, where, and what to type next."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.bundles.bundle import open_bundle
from workbench.exchange import qdrant
from workbench.exchange.atlas import NEIGHBOURS, atlas_command, write_atlas
from workbench.exchange.corpus import open_corpus
from workbench.exchange.lance import write_lance
from workbench.exchange.stored import IfExists


@dataclass
class ExportSettings:
    """What to export, to which tool, and where to."""

    bundle: Path
    """The bundle; for lancedb and qdrant also a folder that core/embed.py wrote."""
    to: Literal["atlas", "lancedb", "qdrant"]
    """atlas: a Parquet file for Embedding Atlas; lancedb, qdrant: vector databases, searched by apps/search.py."""
    output: str
    """atlas: the file, ending in .parquet; lancedb: the database's folder; qdrant: the server's URL, such as
    http://localhost:6333 (its key from the environment: QDRANT_API_KEY), or a folder to try it out without one."""
    name: str = ""
    """lancedb, qdrant: the table or collection; by default the name of the bundle's folder."""
    if_exists: IfExists = "stop"
    """lancedb, qdrant: what to do where the name is taken: stop, replace it, or append (same ids are replaced)."""
    neighbours: int = NEIGHBOURS
    """atlas: neighbours of each item, 1 or more."""
    timeout: int = 60
    """qdrant: seconds to wait for each answer of the server, 1 or more."""


def export(settings: ExportSettings, progress: bool = True) -> str:
    """Write as the settings say; what was written and what to type next, in words.

    Raises:
        ValueError: the bundle cannot be read, or the output not be written; the message says which and why.
    """
    if settings.to == "atlas":
        path = Path(settings.output)
        write_atlas(open_bundle(settings.bundle), path, settings.neighbours)
        return f"{path} is written. To open it: {atlas_command(path)}"
    corpus = open_corpus(settings.bundle)
    name = settings.name or corpus.title
    if settings.to == "lancedb":
        count = write_lance(corpus, Path(settings.output), name, settings.if_exists)
        search = f"--lancedb {settings.output} --table {name}"
    else:
        client = qdrant.connect(settings.output, settings.timeout, create=True)
        try:
            count = qdrant.write_qdrant(corpus, client, name, settings.if_exists, progress)
        finally:
            client.close()
        search = f"--qdrant {settings.output} --table {name}"
    return (
        f"{len(corpus):,} items are written; {name} in {settings.output} now holds {count:,}. "
        f"To search it: python apps/search.py {search} --checkpoint <the run that embedded them>"
    )
