"""The model card: what the model is, how it was trained, how it scored, what nobody knows, and how to load it."""

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from core.checkpoint_export.facts import Evaluation, Facts
from core.evaluation.metrics import Score
from core.objectives.settings import ObjectiveSettings

META_TASKS = ("classification", "vqa", "retrieval", "grounding", "video")
SCOPES = ("overall", "distribution", "meta-task", "dataset")

TOWERS = [
    "In sentence-transformers an item is one text or one picture; here it may be several, whose vectors are added."
]
TIMES = ["In sentence-transformers clips get other vectors than here: it places frames in time by the clip's metadata."]
ONE_CROP = ["In sentence-transformers the model is a LLaVA 1.5 and takes no clips; here it takes them."]
DIFFERENCES: Mapping[str, list[str]] = {
    "qwen2_5_vl": TIMES,
    "qwen3_vl": TIMES,
    "clip": TOWERS,
    "siglip": TOWERS,
}
"""By family, what sentence-transformers computes otherwise."""


def card(facts: Facts) -> str:
    """The card as Markdown with the hub's metadata in front."""
    parts = [
        f"# {facts.name}",
        about(facts),
        "## How to load it",
        loading(facts),
        "## Recipe",
        recipe(facts),
        "## Scores",
        *([scores_section(each) for each in facts.evaluations] or ["This checkpoint was not evaluated."]),
        "## Limits",
        "\n".join(f"- {each}" for each in limits(facts)),
    ]
    return f"---\n{metadata(facts)}---\n\n" + "\n\n".join(parts) + "\n"


def metadata(facts: Facts) -> str:
    """The YAML in front, which the hub searches by."""
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


def about(facts: Facts) -> str:
    """One paragraph."""
    step = f" after {facts.step} steps" if facts.step else ""
    return (
        f"A universal multimodal embedding model{step}: text, pictures, clips, and any mix of them in reading order, "
        f"become one unit vector of {facts.dimensions} numbers; similarity is the cosine. It reads a {facts.family} "
        f"backbone of {facts.parameters:,} parameters ({facts.dtype}) at the last token of its chat template."
    )


def loading(facts: Facts) -> str:
    """Code for this project and, where the folder allows it, for sentence-transformers."""
    own = """\
        ```python
        from pathlib import Path

        from core.data.images.image_files import FileImage
        from core.data.records import Image, Item, Text
        from core.encoder.embedder import Embedder

        embedder = Embedder.load(Path("FOLDER"))
        vectors = embedder.embed([Item((Image(FileImage(Path("cat.png"))), Text("What animal is it?")))])
        ```"""
    other = """\
        ```python
        from PIL import Image
        from sentence_transformers import SentenceTransformer  # 6.2 or later, with torchvision

        model = SentenceTransformer("FOLDER")
        vectors = model.encode(["a cat", {"image": Image.open("cat.png"), "text": "What animal is it?"}])
        ```

        Interleaved content is a message: `[{"role": "user", "content": [{"type": "text", "text": ...}, {"type":
        "image", "image": ...}, ...]}]`. Texts that begin with a line break, or stand side by side, can fall into other
        tokens than in the workbench. Instructions belong to the text; `prompt=` would become a turn of its own,
        which the model was not trained with. Weights in bfloat16 are computed with in bfloat16 there; to get this
        project's vectors to 4 digits, load with `model_kwargs={"dtype": "float32"}`."""
    convert = "`python core/convert.py --source FOLDER --output CHECKPOINT`, then "
    download = f"`hf download {facts.repo} --local-dir FOLDER`, then " if facts.repo else ""
    workbench = f"In the workbench that it was trained with: {download}{convert * facts.one_crop}"
    parts = [workbench.rstrip(), textwrap.dedent(own.replace("FOLDER", "CHECKPOINT") if facts.one_crop else own)]
    if facts.for_sentence_transformers:
        parts += ["In sentence-transformers:", textwrap.dedent(other).replace("FOLDER", facts.repo or "FOLDER")]
    return "\n\n".join(parts)


def recipe(facts: Facts) -> str:
    """Objective, data, steps and versions; all settings folded away below."""
    if not facts.recipe:
        return "The checkpoint lies in no run: how it was trained is not known here."
    get = facts.recipe.get
    data, optimizer = get("data", {}), get("optimizer", {})
    rows = {
        "data": f"{data.get('source')}{': ' + ', '.join(data['datasets']) if data.get('datasets') else ''}",
        "pairs of a step, over all processes": get("batch"),
        "steps (of this checkpoint / of the run)": f"{facts.step} / {get('steps')}",
        "peak learning rate": optimizer.get("learning_rate"),
        "precision": facts.environment.get("precision", get("precision")),
        "seed": get("seed"),
    }
    rows |= {
        name: facts.environment[name] for name in ("processes", "device_name", "commit") if name in facts.environment
    }
    rows |= {"versions": ", ".join(f"{name} {each}" for name, each in facts.environment.get("packages", {}).items())}
    if facts.skipped:
        rows["bad items left out of the data"] = facts.skipped
    settings = yaml.safe_dump(dict(facts.recipe), sort_keys=False)
    return "\n\n".join(
        [
            table(("", ""), [(name, value) for name, value in rows.items() if value not in (None, "")]),
            "The objective, in the settings' own words:",
            objective_table(facts),
            f"<details><summary>All settings</summary>\n\n```yaml\n{settings}```\n\n</details>",
        ]
    )


def objective_table(facts: Facts) -> str:
    """Every setting of the objective, what it was, what it had become, and what it means."""
    words = meanings(ObjectiveSettings)
    rows = []
    for name, value in facts.recipe.get("objective", {}).items():
        now = facts.reached.get(name)
        became = f" (at this step {now:g})" if isinstance(now, float) and now != value else ""
        rows.append((name, f"{value}{became}", words.get(name, "")))
    return table(("setting", "value", "meaning"), rows)


def meanings(settings: type[Any]) -> dict[str, str]:
    """The documentation of each field of a settings' class, as `--help` shows it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for name, words in zip(definition.body, definition.body[1:], strict=False):
        documented = isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant)
        if isinstance(name, ast.AnnAssign) and isinstance(name.target, ast.Name) and documented:
            found[name.target.id] = " ".join(str(words.value.value).split())  # pyright: ignore[reportAttributeAccessIssue]
    return found


def scores_section(evaluation: Evaluation) -> str:
    """The main metric everywhere with its interval; the others as means."""
    suite = ", ".join(f"{name} {value}" for name, value in evaluation.suite.items() if value not in (None, [], ""))
    metrics = list(dict.fromkeys(each.metric for each in evaluation.scores))
    main = "P@1" if "P@1" in metrics else metrics[0]
    parts = [f"### {evaluation.suite.get('name', 'suite')}", f"Suite: {suite}.", score_table(evaluation.scores, main)]
    for metric in metrics:
        rest = [each for each in evaluation.scores if each.scope != "dataset"] if metric != main else []
        parts += [score_table(rest, metric)] if any(each.metric == metric for each in rest) else []
    return "\n\n".join(parts)


def score_table(scores: Sequence[Score], metric: str) -> str:
    """One row a score."""
    chosen = sorted((each for each in scores if each.metric == metric), key=lambda each: SCOPES.index(each.scope))
    rows = [
        (
            each.scope,
            each.name,
            f"{100 * each.value:.1f}",
            f"{100 * each.low:.1f} - {100 * each.high:.1f}",
            each.n,
            f"{each.pool:.0f}",
            f"{100 * each.chance:.1f}",
        )
        for each in chosen
    ]
    return table(("", "", f"{metric}, %", "95 % interval", "queries", "candidates (mean)", "chance, %"), rows)


def limits(facts: Facts) -> list[str]:
    """What the scores do not say."""
    scores = [score for each in facts.evaluations for score in each.scores]
    found = []
    measured = {each.name for each in scores if each.scope == "meta-task"}
    missing = [name for name in META_TASKS if name not in measured]
    if missing:
        found.append(f"Not evaluated: {', '.join(missing)}.")
    outside = [each for each in scores if each.name == "out of distribution" and each.metric == "P@1"]
    found += [
        f"Out of distribution P@1 is {100 * each.value:.1f} % ({100 * each.low:.1f} - {100 * each.high:.1f}; chance "
        f"{100 * each.chance:.1f} %): expect that, not the overall score, on data that it was not trained on."
        for each in outside
    ] or ["No data set out of the training's distribution was evaluated; how it does on other data is not known."]
    if scores:
        found.append(
            "Ties count by their expectation: of equal similarities none is taken as right for standing first. "
            "Published harnesses of MMEB take the first, which favours models whose vectors are alike; compare with "
            "care."
        )
        found.append(
            "Intervals are bootstraps over queries: they cover the choice of queries, not that of seed or data."
        )
    if facts.recipe.get("data", {}).get("source") == "miniature":
        found.append("It was trained on small generated drawings alone, and is of no use on photographs.")
    found.append("Bias, safety, and languages other than those of the data were not examined.")
    differences = ONE_CROP if facts.one_crop else DIFFERENCES.get(facts.family, [])
    return found + differences * facts.for_sentence_transformers


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell(each) for each in line) + " |" for line in lines)


def cell(value: object) -> str:
    """A value in one cell."""
    return " ".join(str(value).split()).replace("|", "\\|")
