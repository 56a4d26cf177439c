"""The model card: what the model is, how it was trained, how it scored, what nobody knows, and how to load it.

Its words are in templates/model_card.md.j2; here is what is filled into them.
"""

import ast
import inspect
import textwrap
from collections.abc import Sequence
from typing import Any

import yaml

from core.checkpoint_export.facts import Facts
from core.evaluation.metrics import Score
from core.evaluation.paper_table import percent
from core.evaluation.report import ORDER
from core.evaluation.report_files import described
from core.files.documents import templates
from core.objectives.settings import ObjectiveSettings

META_TASKS = ("classification", "vqa", "retrieval", "grounding", "video")

TEMPLATES = templates(__file__)
TEMPLATES.filters |= {"percent": percent, "described": described}


def card(facts: Facts) -> str:
    """Return the card as Markdown with the hub's metadata in front."""
    scores = [score for each in facts.evaluations for score in each.scores]
    measured = {each.name for each in scores if each.scope == "meta-task"}
    return TEMPLATES.get_template("model_card.md.j2").render(
        facts=facts,
        metadata=metadata(facts),
        training=training(facts),
        objective=objective(facts),
        settings=yaml.safe_dump(dict(facts.recipe), sort_keys=False),
        evaluations=[(each.suite, score_tables(each.scores)) for each in facts.evaluations],
        scored=bool(scores),
        missing=[name for name in META_TASKS if name not in measured],
        outside=[each for each in scores if each.name == "out of distribution" and each.metric == "P@1"],
    )


def metadata(facts: Facts) -> str:
    """Return the YAML in front, which the hub searches by."""
    tags = ["multimodal-embedding", "image-text-retrieval", "contrastive-learning", "feature-extraction", facts.family]
    objective = facts.recipe.get("objective", {}).get("name")
    tags += [str(objective)] * bool(objective)
    tags += ["sentence-transformers"] * facts.for_sentence_transformers
    found: dict[str, Any] = {
        "library_name": "sentence-transformers" if facts.for_sentence_transformers else "transformers",
        "pipeline_tag": "feature-extraction",
        "tags": tags,
    }
    if facts.license:
        found["license"] = facts.license
    if facts.base_model:
        found["base_model"] = facts.base_model
    return yaml.safe_dump(found, sort_keys=False)


def training(facts: Facts) -> list[tuple[str, object]]:
    """Data, steps, precision and versions, as far as they are known."""
    get = facts.recipe.get
    data, optimizer = get("data", {}), get("optimizer", {})
    rows = {
        "data": f"{data.get('source')}{': ' + ', '.join(data['datasets']) if data.get('datasets') else ''}",
        "pairs of a step, over all processes": get("batch"),
        "steps (of this checkpoint / of the run)": f"{facts.step} / {get('steps')}",
        "peak learning rate": optimizer.get("learning_rate"),
        "precision": facts.environment.get("precision", get("precision")),
        "seed": get("seed"),
        **{name: facts.environment.get(name) for name in ("processes", "device_name", "commit")},
        "versions": ", ".join(f"{name} {each}" for name, each in facts.environment.get("packages", {}).items()),
        "bad items left out of the data": facts.skipped or None,
    }
    return [(name, value) for name, value in rows.items() if value not in (None, "")]


def objective(facts: Facts) -> list[tuple[str, str, str]]:
    """Return every setting of the objective, what it was, what it had become, and what it means."""
    words = meanings(ObjectiveSettings)
    rows = []
    for name, value in facts.recipe.get("objective", {}).items():
        now = facts.reached.get(name)
        became = f" (at this step {now:g})" if isinstance(now, float) and now != value else ""
        rows.append((name, f"{value}{became}", words.get(name, "")))
    return rows


def meanings(settings: type[Any]) -> dict[str, str]:
    """Return the documentation of each field of a settings' class, as `--help` shows it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for name, words in zip(definition.body, definition.body[1:], strict=False):
        documented = isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant)
        if isinstance(name, ast.AnnAssign) and isinstance(name.target, ast.Name) and documented:
            found[name.target.id] = " ".join(str(words.value.value).split())  # pyright: ignore[reportAttributeAccessIssue]
    return found


def score_tables(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """By metric what a table of it shows: the main one first, which has the data sets too; of the others the means."""
    metrics = list(dict.fromkeys(each.metric for each in scores))
    main = "P@1" if "P@1" in metrics else metrics[0] if metrics else None
    ordered = sorted(scores, key=lambda each: ORDER.index(each.scope))
    tables = {
        metric: [each for each in ordered if each.metric == metric and (metric == main or each.scope != "dataset")]
        for metric in sorted(metrics, key=lambda each: each != main)
    }
    return {metric: rows for metric, rows in tables.items() if rows}
