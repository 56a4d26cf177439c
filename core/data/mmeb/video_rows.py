"""Rows of MMEB-V2's video data sets, as VLM2Vec's evaluation code reads them: one small function for each format.

Each makes a `VideoRow` of names and words alone; nothing is opened here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.data.checks.problems import BadRow, Problem

CLIP = "Understand the content of the provided video."
MOMENT = "Understand the content of the provided video clip."
ASKED = (
    "Given a video and a question, select the most accurate answer from the provided candidates. "
    "Return only the exact text of your chosen answer. Question: "
)
SEEK_IN_VIDEO = "Find the clip that corresponds to the described scene in the given video:"
SEEK = {
    ".mp4": "Find the clip that corresponds to the given sentence and video segment:",
    ".jpg": "Select the video clip that aligns with the given text and image:",
    "": "Find the clip that corresponds to the given text:",
}

Row = Mapping[str, object]


@dataclass(frozen=True)
class Shown:
    """What an item is made of: words, and the name of a clip or the path of a picture in front of them."""

    words: str
    clip: str = ""
    picture: str = ""


@dataclass(frozen=True)
class VideoRow:
    """One query with its own candidates; `right` are the places of those that are right.

    clips_of: a folder whose clips are the candidates too, those whose name begins with "positive" right.
    """

    query: Shown
    targets: tuple[Shown, ...]
    right: tuple[int, ...]
    clips_of: str = ""


def string(row: Row, field: str, where: str) -> str:
    """Return a field that holds text or a whole number, such as an id. Raises `BadRow`."""
    value = row[field]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BadRow(Problem(where, f"{field} holds {value!r}; it should be text."))
    return str(value)


def strings(row: Row, field: str, where: str) -> list[str]:
    """Return a field that holds a list of texts, one at least. Raises `BadRow`."""
    value = row[field]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
        raise BadRow(Problem(where, f"{field} holds {str(value)[:60]!r}; it should be a list of texts."))
    return value


def place(row: Row, field: str, count: int, where: str) -> int:
    """Return a field that holds the place of the right answer, from 0, as a number or its digits. Raises `BadRow`."""
    value = str(row[field])
    if not value.isdecimal() or int(value) >= count:
        raise BadRow(Problem(where, f"{field} = {row[field]!r} is no place among {count} answers, from 0."))
    return int(value)


def listed(options: Sequence[str]) -> list[str]:
    """Return answers with their letters: "(A) yes"."""
    return [f"({chr(ord('A') + number)}) {option}" for number, option in enumerate(options)]


def without_letter(option: str) -> str:
    """Return an answer without letter and full stop: "yes" for "A. yes."."""
    return option[max(0, option.find(". ")) :].strip(". ")


def asked(words: str, clip: str, answers: Sequence[str], right: int) -> VideoRow:
    """Return a question about a clip, with its own answers."""
    return VideoRow(Shown(f"{ASKED} {words}", clip), tuple(map(Shown, answers)), (right,))


def found_by(instruction: str, words: str, clip: str) -> VideoRow:
    """Return a clip to be found by words among all clips of the data set."""
    return VideoRow(Shown(f"{instruction} {words}"), (Shown(CLIP, clip),), (0,))


def labelled(row: Row, where: str, instruction: str) -> VideoRow:
    """HMDB51, UCF101, Kinetics-700, Breakfast: a clip and its class, among the classes of the data set."""
    return VideoRow(Shown(instruction, string(row, "video_id", where)), (Shown(string(row, "pos_text", where)),), (0,))


def something(row: Row, where: str, instruction: str) -> VideoRow:
    """SmthSmthV2: a clip and its own candidates in neg_text; the right one is put with them if it is not there."""
    right, answers = string(row, "pos_text", where), strings(row, "neg_text", where)
    if right not in answers:
        answers = [*answers, right]
    query = Shown(instruction, string(row, "video_id", where))
    return VideoRow(query, tuple(map(Shown, answers)), (answers.index(right),))


def msr_vtt(row: Row, where: str, instruction: str) -> VideoRow:
    """MSR-VTT: video_id, caption."""
    return found_by(instruction, string(row, "caption", where), string(row, "video_id", where))


def msvd(row: Row, where: str, instruction: str) -> VideoRow:
    """MSVD: video_id, caption, a list of which the first is asked."""
    return found_by(instruction, strings(row, "caption", where)[0], string(row, "video_id", where))


def didemo(row: Row, where: str, instruction: str) -> VideoRow:
    """DiDeMo: video, caption; the clip's name is that of the file."""
    name = PurePosixPath(string(row, "video", where)).stem
    return found_by(instruction, string(row, "caption", where), name)


def youcook2(row: Row, where: str, instruction: str) -> VideoRow:
    """YouCook2: id, sentence."""
    return found_by(instruction, string(row, "sentence", where), string(row, "id", where))


def vatex(row: Row, where: str, instruction: str) -> VideoRow:
    """VATEX: videoID, enCap, a list of which the first is asked."""
    return found_by(instruction, strings(row, "enCap", where)[0], string(row, "videoID", where))


def video_mme(row: Row, where: str, instruction: str) -> VideoRow:
    """Video-MME: videoID, question, options ("A. ..."), answer (a letter)."""
    options, letter = strings(row, "options", where), string(row, "answer", where)
    letters = [chr(ord("A") + number) for number in range(len(options))]
    if letter not in letters:
        raise BadRow(Problem(where, f"answer = {letter!r} is none of {', '.join(letters)}."))
    words = "\n".join([string(row, "question", where), *options])
    return asked(words, string(row, "videoID", where), list(map(without_letter, options)), letters.index(letter))


def next_qa(row: Row, where: str, instruction: str) -> VideoRow:
    """NExTQA, multiple choice: video, question, a0 to a4, answer (a place)."""
    options = [string(row, f"a{number}", where) for number in range(5)]
    words = "\n".join([string(row, "question", where), "Options:", *listed(options)])
    return asked(words, string(row, "video", where), options, place(row, "answer", 5, where))


def egoschema(row: Row, where: str, instruction: str) -> VideoRow:
    """EgoSchema: video_idx, question, option ("A. ..."), answer (a place)."""
    options = strings(row, "option", where)
    words = string(row, "question", where) + " ".join(options)
    right = place(row, "answer", len(options), where)
    return asked(words, string(row, "video_idx", where), list(map(without_letter, options)), right)


def mvbench(row: Row, where: str, instruction: str) -> VideoRow:
    """MVBench: video, question, candidates, answer (one of them); the clip lies in a folder of its subset."""
    options, answer = strings(row, "candidates", where), string(row, "answer", where)
    if answer not in options:
        raise BadRow(Problem(where, f"answer = {answer!r} is none of the candidates {options}."))
    words = "\n".join([string(row, "question", where), "Options:", *listed(options)])
    clip = f"{string(row, 'subset', where)}/{string(row, 'video', where)}"
    return asked(words, clip, listed(options), options.index(answer))


def activitynet_qa(row: Row, where: str, instruction: str) -> VideoRow:
    """ActivityNetQA: video_name, question, answer (yes or no)."""
    answer, options = string(row, "answer", where), ["yes", "no"]
    if answer not in options:
        raise BadRow(Problem(where, f"answer = {answer!r} is neither yes nor no."))
    words = f"{string(row, 'question', where)}? (A) yes; (B) no."
    return asked(words, f"v_{string(row, 'video_name', where)}", options, options.index(answer))


def moment(row: Row, where: str, instruction: str) -> VideoRow:
    """QVHighlight, Charades-STA: query, video_path; clips are the folders beside the video's own, named "query"."""
    name = PurePosixPath(string(row, "video_path", where)).stem
    return VideoRow(Shown(f"{SEEK_IN_VIDEO} {string(row, 'query', where)}", f"{name}/query"), (), (), clips_of=name)


def moment_seeker(row: Row, where: str, instruction: str) -> VideoRow:
    """MomentSeeker: query, input_frames (a video, a picture or neither), positive_frames, negative_frames."""
    given = row["input_frames"]
    given = given if isinstance(given, str) else ""
    kind = PurePosixPath(given).suffix if PurePosixPath(given).suffix in SEEK else ""
    query = Shown(
        f"{SEEK[kind]} {string(row, 'query', where)}",
        clip=frames_folder(given) if kind == ".mp4" else "",
        picture=f"query_{given}" if kind == ".jpg" else "",
    )
    right, wrong = (outputs(row, field, where) for field in ("positive_frames", "negative_frames"))
    if not right:
        raise BadRow(Problem(where, "positive_frames is empty; a query needs a right clip."))
    shown = tuple(Shown(MOMENT, frames_folder(each)) for each in (*right, *wrong))
    return VideoRow(query, shown, tuple(range(len(right))))


def outputs(row: Row, field: str, where: str) -> list[str]:
    """Return the paths of a list of {"output_path": ...}. Raises `BadRow`."""
    value = row[field]
    paths = (
        [each.get("output_path") if isinstance(each, dict) else None for each in value or []]
        if isinstance(value, list | None)
        else [None]
    )
    if not all(isinstance(each, str) and each for each in paths):
        raise BadRow(
            Problem(where, f'{field} holds {str(value)[:60]!r}; it should be a list of {{"output_path": ...}}.')
        )
    return [str(each) for each in paths]


def frames_folder(path: str) -> str:
    """Say where MomentSeeker's frames of a video lie."""
    return f"video_frames/{path.split('.mp4')[0].replace('/', '_')}"
