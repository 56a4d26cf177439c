"""Files of settings that nobody should be able to start a command with."""

from collections.abc import Iterator
from pathlib import Path

from bad_cases import DEEP, NOT_ANY_FILE, Case, text_of

ALIASES = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)
TEXTS = {
    "alias_bomb": ALIASES,
    "alias_bomb_in_a_setting": ALIASES.replace("a8:", "data: {datasets: *a7}\na8:"),
    "alias_of_itself": "data: &a {datasets: *a}",
    "deep": DEEP,
    "python_object": "steps: !!python/object/apply:os.system ['true']",
    "python_name": "steps: !!python/name:os.system",
    "unknown_tag": "steps: !evil 3",
    "unfinished": "data: {datasets: [a",
    "tabs": "data:\n\tdatasets: [a]",
    "two_documents": "steps: 3\n---\nsteps: 4",
    "a_list": "[1, 2]",
    "a_word": "hello",
    "a_number": "3",
    "unknown_setting": "stepps: 3",
    "unknown_inner_setting": "data: {sauce: folder}",
    "a_word_for_a_number": "steps: many",
    "a_list_for_a_number": "steps: [3]",
    "a_number_for_a_group": "data: 3",
    "nothing_for_a_group": "data: null\nmodel: null",
    "out_of_range": "steps: 0",
    "nan": "optimizer: {learning_rate: .nan}",
    "infinite": "objective: {temperature: .inf}",
    "negative": "batch: -8",
    "huge_number": "steps: " + "9" * 5000,
    "unknown_choice": "data: {source: elsewhere}",
    "boolean_for_a_path": "data: {source: folder, path: true}",
    "missing_folder": "data: {source: folder, path: /nowhere/at/all}\ndry_run: false\noutput: OUT",
    "nul_in_a_word": 'output: "a\\0b"',
    "key_that_is_a_list": "? [a, b]\n: 3",
    "repeated_merge": "<<: [{steps: 3}, 4]",
    "half_of_a_character": "data: {datasets: ['\ud800']}",
    "date_for_a_number": "steps: 2001-01-01",
    "large": "#" + "x" * 11_000_000,
}


def settings_cases(folder: Path) -> Iterator[Case]:
    """A recipe of each kind for a training."""
    writers = {**{f"file_is_{name}": each for name, each in NOT_ANY_FILE.items() if name != "empty"}}
    writers |= {name: text_of(text.replace("OUT", str(folder / "out"))) for name, text in TEXTS.items()}
    for name, write in writers.items():
        path = folder / f"{name}.yaml"
        write(path)
        yield Case(f"settings/{name}", "train", ("--config", str(path)))
