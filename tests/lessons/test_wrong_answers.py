"""The checks are tested: every catalogued mistake fails with words of its own, and every solution passes."""

from itertools import pairwise, permutations

import pytest
from course import LESSONS, NAMES, definitions, lesson, of_kind

from workbench.lessons.feedback import Wrong
from workbench.lessons.notes import catalogue, message_of

SEEDS = (0, 1, 2)

every_lesson = pytest.mark.parametrize("name", NAMES)


def wrong_answers(name):
    return catalogue(LESSONS / "wrong_answers" / f"{name}.py")


@every_lesson
def test_every_exercise_has_three_mistakes_each_in_a_sentence(name):
    entries = wrong_answers(name)
    exercises = [entry.exercise for entry in entries]
    assert {number: exercises.count(number) for number in lesson(name).exercises if exercises.count(number) < 3} == {}
    assert set(exercises) == set(lesson(name).exercises)
    order = [lesson(name).exercises.index(number) for number in exercises]
    assert all(first <= second for first, second in pairwise(order)), "mistakes stand in the order of exercises"
    sentences = [entry.answer.__doc__ or "" for entry in entries]
    assert all(sentence.strip().endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


@every_lesson
def test_every_wrong_answer_fails_with_its_own_message(name, capsys):
    entries, faults = wrong_answers(name), []
    for seed in SEEDS:
        told = {}
        for entry in entries:
            try:
                told[entry] = message_of(entry, seed)
            except ValueError as error:
                faults.append(f"seed {seed}: {error}")
                continue
            if not entry.message or entry.message not in told[entry]:
                faults.append(f"seed {seed}, {entry.answer.__name__}: {entry.message!r} is not in {told[entry]!r}")
        for one, other in permutations(told, 2):
            if one.exercise == other.exercise and one.message in told[other]:
                faults.append(f"seed {seed}, {one.exercise}: {other.answer.__name__} is told as {one.answer.__name__}")
    assert faults == []
    assert capsys.readouterr().out == ""


@every_lesson
def test_messages_are_short_enough_to_be_read_and_say_more_than_wrong(name):
    for entry in wrong_answers(name):
        message = message_of(entry)
        assert 30 <= len(message) <= 600, message
        assert message.isascii()
        assert message.rstrip().endswith((".", "?", "!", ".)")), message


@every_lesson
@pytest.mark.parametrize("seed", SEEDS)
def test_the_solutions_pass(name, seed, capsys):
    namespace = definitions(lesson(name), seed)
    for number, cell in zip(lesson(name).exercises, of_kind(lesson(name), "check"), strict=True):
        exec(cell.source, namespace)
        printed = capsys.readouterr().out
        assert f"Exercise {number}: right." in printed


def stub(*_arguments, **_named):
    raise NotImplementedError("Exercise 0.0")


def nothing(*_arguments, **_named):
    return None


@every_lesson
def test_a_stub_passes_through_and_nothing_at_all_is_told(name):
    for entry in {(each.exercise, each.check): each for each in wrong_answers(name)}.values():
        with pytest.raises(NotImplementedError, match=r"Exercise 0\.0"):
            entry.check(stub, seed=0)
        with pytest.raises(Wrong) as told:
            entry.check(nothing, seed=0)
        assert len(str(told.value)) >= 20
