"""The report of an evaluation: as files of its bundle, and as what the command prints."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.data.records import RankingTask
from core.evaluation.metrics import Score
from core.evaluation.paper_table import own_cell, paper_tables, percent
from core.evaluation.report import ORDER, recall_table, table
from core.evaluation.report_tables import Cell, ReportTable, TableRow, as_texts, markdown, page, text_table
from core.evaluation.settings import ReportFormat

SHOWN = ("R@5", "R@10", "MRR", "NDCG@5", "MAP")
MARKDOWN, HTML, JSON = "report.md", "report.html", "report.json"


def report_files(
    tasks: Sequence[RankingTask],
    scores: Sequence[Score],
    checkpoint: str,
    suite: Mapping[str, Any],
    formats: Sequence[ReportFormat],
) -> dict[str, str]:
    """Return the contents of the report's files by name, in the formats asked for."""
    title = f"{suite['name']}: {title_of(Path(checkpoint))}"
    queries = sum(len(task.rankings) for task in tasks)
    facts = [f"checkpoint: {checkpoint}", f"suite: {described(suite)}", f"{len(tasks)} data sets, {queries} queries"]
    tables = [*paper_tables(suite["name"], scores, "this checkpoint"), *own_tables(tasks, scores)]
    content = {"checkpoint": checkpoint, "suite": dict(suite), "scores": [asdict(each) for each in scores]}
    made = {
        "markdown": (MARKDOWN, lambda: markdown(title, facts, tables)),
        "html": (HTML, lambda: page(title, facts, tables)),
        "json": (JSON, lambda: json.dumps(content | {"tables": [as_record(each) for each in tables]}, indent=1) + "\n"),
    }
    return {made[each][0]: made[each][1]() for each in dict.fromkeys(formats)}


def title_of(checkpoint: Path) -> str:
    """Return the run and the step of a checkpoint, or the name of one outside a run."""
    if checkpoint.parent.name == "checkpoints" and checkpoint.name.isdigit():
        return f"{checkpoint.parent.parent.name}, step {int(checkpoint.name)}"
    return checkpoint.name


def described(suite: Mapping[str, Any]) -> str:
    """Return a suite's settings in one line, those that are empty left out."""
    return ", ".join(f"{name} {value}" for name, value in suite.items() if value not in (None, [], ""))


def own_tables(tasks: Sequence[RankingTask], scores: Sequence[Score]) -> list[ReportTable]:
    """Return every scope with its main metric's interval, chance and the other metrics; then the clusters, if any."""
    leading = {task.name: task.metric for task in tasks}
    common = leading[tasks[0].name] if len({*leading.values()}) == 1 else "P@1"
    found = {(each.scope, each.name, each.metric): each for each in scores}
    named = dict.fromkeys((each.scope, each.name) for each in scores if each.metric != "V-measure")
    rows = []
    for scope, name in sorted(named, key=lambda each: ORDER.index(each[0])):
        main = found[scope, name, leading[name] if scope == "dataset" else common]
        rest = [Cell(percent(found[scope, name, metric].value)) for metric in SHOWN]
        counts = (Cell(percent(main.chance)), Cell(str(main.n)), Cell(f"{main.pool:.0f}"))
        rows.append(
            TableRow((Cell(name, scope), Cell(main.metric), own_cell(main), *counts, *rest), scope == "overall")
        )
    columns = ("scope", "metric", "score, %", "chance", "queries", "pool", *SHOWN)
    tables = [ReportTable("Scores", columns, tuple(rows), ("The range is a 95 % bootstrap interval over queries.",))]
    clusters = [each for each in scores if each.metric == "V-measure"]
    if clusters:
        cells = [
            (Cell(s.name), own_cell(s), Cell(percent(s.chance)), Cell(str(s.n)), Cell(f"{s.pool:.0f}"))
            for s in clusters
        ]
        notes = ("k-means on the query vectors against the classes; chance is the same clusters with shuffled labels.",)
        columns = ("data set", "V-measure, %", "chance", "items", "classes")
        tables.append(ReportTable("Clusters", columns, tuple(TableRow(each) for each in cells), notes))
    return tables


def as_record(table: ReportTable) -> dict[str, Any]:
    """Return a table for JSON."""
    return {
        "title": table.title,
        "columns": list(table.columns),
        "rows": [as_texts(row) for row in table.rows],
        "notes": list(table.notes),
    }


def printed(folder: Path, scores: Sequence[Score]) -> str:
    """Say what the command prints: the tables, and where the bundle and its report are."""
    described = json.loads((folder / "manifest.json").read_text())["suite"]
    suite = described["name"]
    clusters = [table(scores, "V-measure")] if any(each.metric == "V-measure" for each in scores) else []
    rows = [f"Rows: {described['rows']}."] if "rows" in described else []
    blocks = [table(scores), recall_table(scores), *clusters, *rows]
    for paper in paper_tables(suite, scores, "this checkpoint")[:1]:
        rows = [[cell.text for cell in row.cells[:-1]] for row in paper.rows]  # without the sources
        blocks.append("\n".join([paper.title, text_table(paper.columns[:-1], rows), *paper.notes]))
    reports = [str(folder / name) for name in (MARKDOWN, HTML, JSON) if (folder / name).exists()]
    if reports:
        blocks.append(f"Report: {', '.join(reports)}")
    return "\n\n".join([*blocks, f"Bundle: {folder}"])
