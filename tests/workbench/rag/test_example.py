"""The example from question to answer: cards of a bundle, of a file, of the miniature; a generator of one's choice."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_generator
import warm_processes
from embedded_runs import make_run

from workbench.bundles.bundle import open_bundle
from workbench.rag.example import RagSettings, bundle_cards, run_example, told
from workbench.rag.prompt import pictures

ROOT = Path(__file__).parents[3]


class Echo:
    """A generator that says what it was given."""

    def answer(self, messages) -> str:
        self.messages = messages
        return f"{len(pictures(messages))} pictures"


@pytest.fixture(scope="module")
def bundle(tiny, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("rag") / "runs" / "run", tiny, ("cards", "edit"))


def test_cards_of_a_bundle_are_found_and_handed_on(bundle, tiny):
    opened = open_bundle(bundle)
    ranked = opened.rankings.loc[opened.rankings["dataset"] == "cards"]
    question = opened.words(int(ranked["query"].iloc[0])).split(": ", 1)[1]
    echo = Echo()
    done = run_example(RagSettings(question=question, bundle=bundle, dataset="cards", k=3), echo)
    cards = bundle_cards(opened, "cards")
    names = {opened.items["item"].iat[row] for number in ranked.index for row in opened.candidates.of(number)}
    assert {card.name for card in cards.cards} == names
    similarities = cards.vectors @ opened.vectors[int(ranked["query"].iloc[0])]
    np.testing.assert_allclose([hit.similarity for hit in done.hits], np.sort(similarities)[::-1][:3], atol=1e-5)
    assert done.answer == "3 pictures"
    assert echo.messages[-1]["content"][-1]["text"] == f"Question: {question}"
    assert "Answer: 3 pictures" in told(done)
    assert told(done).startswith("1. ")


def test_cards_and_questions_of_a_file(bundle, tmp_path):
    rows = [{"id": str(n), "text": f"the {room} holds it"} for n, room in enumerate(["kitchen", "hall", "attic"])]
    (tmp_path / "cards.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "asked.jsonl").write_text(json.dumps({"question": "where?", "evidence": 1}) + "\n")
    files = {"cards": tmp_path / "cards.jsonl", "questions": tmp_path / "asked.jsonl"}
    done = run_example(RagSettings(**files, checkpoint=bundle.parents[1]))
    assert (done.hits, done.answer) == ([], "")
    assert [score.chance for score in done.scores] == [1 / 3, 1, 1]
    assert "evidence R@1" in told(done)
    assert "1 questions over 3 cards of cards" in told(done)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "checkpoint is not given"),
        ({"bundle": Path("b")}, "question is empty"),
        ({"bundle": Path("b"), "cards": Path("c"), "question": "q"}, "both given"),
        ({"checkpoint": Path("c"), "questions": Path("q")}, "questions needs cards"),
        ({"checkpoint": Path("c"), "k": 0}, "k = 0 is below 1"),
    ],
)
def test_settings_that_contradict(settings, message):
    with pytest.raises(ValueError, match=message):
        RagSettings(**settings)


def test_an_unknown_data_set(bundle):
    with pytest.raises(ValueError, match="dataset = 'dogs' is not in the bundle; there are "):
        run_example(RagSettings(question="q", bundle=bundle, dataset="dogs"))


@pytest.mark.slow
def test_the_command_with_a_real_generator(bundle, tmp_path):
    generator = tiny_generator.write_generator(tmp_path / "generator")
    command = [sys.executable, "workbench/rag_example.py", "--bundle", str(bundle), "--dataset", "cards", "--k", "2"]
    options = ["--question", "where is a large red circle on navy kept?", "--longest", "4"]
    done = subprocess.run(
        [*command, *options, "--generator", str(generator)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("it is kept in the") == 2
    wrong = warm_processes.run([*command[1:], *options, "--generator", tmp_path], folder=ROOT)
    assert (wrong.returncode, wrong.stderr[:7]) == (1, "error: ")
