"""Find the clips that tables name: folders of frames, or video files, below one folder."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from core.data.checks.problems import BadRow, Problem
from core.data.file_names import inside
from core.data.records import Item, Part, Text, Video
from core.data.shared_items import SharedItems
from core.data.video.video_files import BadVideo, frames_of_folder, read_clip

SUFFIXES = (
    *(".mp4", ".avi", ".webm", ".mkv", ".mov", ".mpg", ".mpeg", ".flv", ".gif"),
    *(".m4v", ".3gp", ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".ogv"),
)


@dataclass(frozen=True)
class Clips:
    """Clips by name, each one object however often it is asked for.

    root: the folder. frames: of each clip, at most. rate: frames a second to take of files, where that gives fewer.
    """

    root: Path
    frames: int
    rate: float | int | None = None
    _found: dict[str, Video | BadVideo] = field(default_factory=dict, repr=False)

    def find(self, name: str, where: str) -> Video:
        """Return the clip of a name: the folder of frames <root>/<name>, else a video file, its suffix named or not.

        Raises:
            BadRow: neither is there, it cannot be used, or the name leads out of the folder; told each time.
        """
        if name not in self._found:
            try:
                self._found[name] = self._read(name, where)
            except BadVideo as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, BadVideo):
            raise BadRow(Problem(where, str(found)))
        return found

    def _read(self, name: str, where: str) -> Video:
        path = inside(self.root, name, where)
        if os.path.isdir(path):
            return frames_of_folder(path, self.frames)
        if os.path.isfile(path):
            return read_clip(path, self.frames, self.rate)
        for suffix in (*SUFFIXES, *map(str.upper, SUFFIXES)):
            file = inside(self.root, name + suffix, where)
            if os.path.isfile(file):
                return read_clip(file, self.frames, self.rate)
        raise BadVideo(f"{path}: neither a folder of frames nor a video file with this name ({', '.join(SUFFIXES)}).")


def clip_item(items: SharedItems, clips: Clips, name: str, text: str, where: str) -> Item:
    """Return the one object of a clip with words behind it; the words may be empty. Raises `BadRow`."""
    words: tuple[Part, ...] = (Text(text),) if text else ()
    return items.keep(Item((clips.find(name, where), *words)), f"{name}\n{text}")
