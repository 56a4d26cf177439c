"""The published numbers average as their paper says, and ours stand beside them only where that is honest."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.data.mmeb.datasets import DATASETS
from core.data.records import Item, Ranking, RankingTask, Text
from core.evaluation.metrics import Score
from core.evaluation.paper_table import GROUPS, dataset_table, group_table, paper_tables, published
from core.evaluation.report_files import printed, report_files
from core.evaluation.report_tables import Cell, ReportTable, TableRow, markdown, page

COLUMNS = {"Cls": "classification", "VQA": "vqa", "Ret": "retrieval", "Grd": "grounding", "IND": "in distribution",
           "OOD": "out of distribution", "Overall": "overall"}  # fmt: skip


def row_of(model: str) -> dict:
    (row,) = [each for each in published()["mmeb"] if each["model"] == model]
    return row


def test_the_groups_are_the_papers():
    assert [(each.heading, len(each.datasets)) for each in GROUPS] == [
        ("Cls", 10), ("VQA", 10), ("Ret", 12), ("Grd", 4), ("IND", 20), ("OOD", 16), ("Overall", 36)
    ]  # fmt: skip


@pytest.mark.parametrize("model", ["LLaVE-7B", "VLM2Vec LLaVA-OV-7B"])
def test_the_published_data_sets_average_to_the_published_means(model):
    """papers.md 1.7: 65.68 / 65.44 / 70.88 / 91.92, IND 75.00, OOD 64.35, all 70.26."""
    row = row_of(model)
    assert {*row["datasets"]} == {each.name for each in DATASETS}
    for group in GROUPS:
        mean = np.mean([row["datasets"][name] for name in group.datasets])
        assert mean == pytest.approx(row["scores"][COLUMNS[group.heading]], abs=0.0501), group.heading
    if model == "LLaVE-7B":
        means = [np.mean([row["datasets"][name] for name in group.datasets]) for group in GROUPS]
        assert np.round(means, 2).tolist() == pytest.approx(
            [65.68, 65.44, 70.88, 91.92, 75.00, 64.35, 70.26], abs=0.006
        )


def test_every_published_row_averages_to_its_overall_and_has_a_source():
    """Tasks weigh 10, 10, 12 and 4, distributions 20 and 16. SigLIP's tasks are misprinted, and its row says so."""
    for row in published()["mmeb"]:
        assert row["source"]
        found = row["scores"]
        for names, weights in (
            (("classification", "vqa", "retrieval", "grounding"), (10, 10, 12, 4)),
            (("in distribution", "out of distribution"), (20, 16)),
        ):
            misprinted = row["model"] == "SigLIP" and "vqa" in names
            assert ("as printed" in row.get("note", "")) == (row["model"] == "SigLIP")
            if all(name in found for name in names) and not misprinted:
                mean = np.average([found[name] for name in names], weights=weights)
                assert mean == pytest.approx(found["overall"], abs=0.11), row["model"]
    assert {each["suite"] for each in published()["text_to_video"]} == {"msrvtt", "msvd"}
    assert all(each["source"] for each in published()["text_to_video"])


def score(scope: str, name: str, value: float, n: int = 1000, metric: str = "P@1") -> Score:
    return Score(scope, name, metric, value, value - 0.01, value + 0.01, n, 1000.0, 0.001)


def whole(value: float = 0.5) -> list[Score]:
    groups = [score(group.scope, group.name, value) for group in GROUPS]
    return groups + [score("dataset", each.name, value) for each in DATASETS]


def test_a_full_evaluation_has_every_mean_with_its_interval():
    sheet = group_table(whole(), "mine")
    assert sheet.rows[0].own
    assert [cell.text for cell in sheet.rows[0].cells[1:-1]] == ["50.0"] * 7
    assert {cell.small for cell in sheet.rows[0].cells[1:-1]} == {"49.0 to 51.0"}
    assert not any("not the full MMEB" in note or "Not scored on all" in note for note in sheet.notes)
    lines = {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in sheet.rows}
    assert lines["LLaVE-7B"][:7] == ["65.7", "65.4", "70.9", "91.9", "75.0", "64.4", "70.3"]
    assert lines["EGA LLaVA-OV-7B"][6] == "70.7"
    assert lines["Ablation: InfoNCE, all trained"][:7] == ["-", "-", "-", "-", "60.6", "56.4", "58.7"]


def test_a_part_of_mmeb_shows_no_mean_that_misleads_and_says_what_is_missing():
    """Only grounding is whole; the mean over what was scored must not stand under Overall."""
    grounding = [each.name for each in DATASETS if each.meta_task == "grounding"]
    partly = [each for each in whole() if each.scope != "dataset" or each.name in (*grounding, "GQA")]
    sheet = group_table(partly, "mine")
    assert [cell.text for cell in sheet.rows[0].cells[1:-1]] == ["-", "-", "-", "50.0", "-", "-", "-"]
    (note,) = [note for note in sheet.notes if "not the full MMEB" in note]
    assert "5 of its 36 data sets" in note
    assert "ImageNet-1K" in note
    assert "GQA" not in note
    rows = {row.cells[0].text: row.cells[3] for row in dataset_table(partly, "mine").rows}
    assert len(rows) == 36
    assert (rows["GQA"].text, rows["DocVQA"].text) == ("50.0", "-")


def test_smaller_pools_than_published_are_told_beside_the_name():
    full = [replace(each, pool=950.0) for each in whole()]
    assert group_table(full, "mine").rows[0].cells[0] == Cell("mine")
    small = [replace(each, pool=50.0) if each.name in ("DocVQA", "VOC2007") else each for each in full]
    sheet = group_table(small, "mine")
    assert sheet.rows[0].cells[0].small.startswith("not comparable")
    (note,) = [note for note in sheet.notes if "Fewer candidates" in note]
    assert note.endswith("which is easier: DocVQA (50 of 1000).")  # VOC2007 has 20 classes
    tiny = group_table([replace(each, pool=2.0) for each in full], "mine")
    (note,) = [note for note in tiny.notes if "Fewer candidates" in note]
    assert note.endswith("and 29 more.")


def test_fewer_queries_than_published_are_told():
    few = [replace(each, n=50) if each.name == "DocVQA" else each for each in whole()]
    (note,) = [note for note in group_table(few, "mine").notes if "Not scored on all" in note]
    assert "DocVQA (50)" in note
    assert "ChartQA" not in note


def test_text_to_video_has_recalls_and_other_suites_have_no_published_rows():
    scores = [
        score("overall", "all", value, metric=metric) for metric, value in (("P@1", 0.4), ("R@5", 0.7), ("R@10", 0.8))
    ]
    (sheet,) = paper_tables("msrvtt", scores, "mine")
    lines = {row.cells[0].text: [cell.text for cell in row.cells[1:4]] for row in sheet.rows}
    assert lines["mine"] == ["40.0", "70.0", "80.0"]
    assert lines["LLaVE-7B"] == ["46.8", "71.1", "80.0"]
    assert lines["ViCLIP"] == ["42.4", "-", "-"]
    assert "InternVideo" in lines
    assert paper_tables("miniature", scores, "mine") == []


def test_documents_escape_what_they_show():
    sheet = ReportTable(
        "a <b> | c",
        ("x|y", "n"),
        (TableRow((Cell("<script>alert(1)</script>"), Cell("1|2", "a & b")), True),),
        ("note <i>",),
    )
    html = page("t <x>", ["fact & <y>"], [sheet])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("t &lt;x&gt;") == 2
    for escaped in ("fact &amp; &lt;y&gt;", "a &lt;b&gt; | c", "<small>a &amp; b</small>", "note &lt;i&gt;"):
        assert escaped in html
    assert "http" not in html.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in html
    assert html.count('<tr class="own">') == 1
    lines = markdown("t", ["f"], [sheet]).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table == [
        "| x\\|y | n |",
        "| --- | ---: |",
        "| **<script>alert(1)</script>** | **1\\|2** (a & b) |",
    ]


def test_a_data_set_named_like_a_script_is_text_in_the_report():
    name = "</td><script>alert(1)</script>"
    scopes = (("overall", "all"), ("dataset", name))
    files = report_files([task(name, "vqa")], reported(scopes=scopes)[:-1], name, {"name": name}, ["html"])
    html = files["report.html"]
    assert "<script" not in html
    assert html.count("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;") == 5  # title, heading, two facts, cell


def task(name: str, meta_task: str, metric: str = "P@1") -> RankingTask:
    items = tuple(Item((Text(text),)) for text in ("a", "b"))
    return RankingTask(name, meta_task, True, (Ranking(items[0], items, (0,)),), metric)


def reported(metrics=("P@1", "R@5", "R@10", "MRR", "NDCG@5", "MAP"), scopes=(("overall", "all"), ("dataset", "one"))):
    found = [score(scope, name, 0.25 + 0.1 * place, 5, metric)
             for scope, name in scopes for place, metric in enumerate(metrics)]  # fmt: skip
    return [*found, Score("dataset", "one", "V-measure", 0.9, 0.8, 1.0, 5, 2.0, 0.3)]


def test_reports_come_in_the_formats_asked_for():
    suite = {"name": "miniature", "path": None, "queries": 5}
    files = report_files([task("one", "vqa")], reported(), "runs/x", suite, ["json", "markdown", "json"])
    assert {*files} == {"report.json", "report.md"}
    content = json.loads(files["report.json"])
    assert content["scores"][0]["value"] == 0.25
    assert [table["title"] for table in content["tables"]] == ["Scores", "Clusters"]
    assert "checkpoint: runs/x" in files["report.md"]
    assert "path" not in files["report.md"]
    assert report_files([task("one", "vqa")], reported(), "runs/x", suite, []) == {}
    html = report_files([task("one", "vqa")], reported(), "runs/x", suite, ["html"])["report.html"]
    assert "V-measure" in html


def test_tables_lead_with_the_metric_of_the_task():
    files = report_files([task("one", "visdoc", "NDCG@5")], reported(), "x", {"name": "other"}, ["json"])
    rows = json.loads(files["report.json"])["tables"][0]["rows"]
    assert [row[1] for row in rows] == ["NDCG@5", "NDCG@5"]
    assert rows[0][2].startswith("65.0")
    mixed = [task("one", "visdoc", "NDCG@5"), task("two", "vqa")]
    scopes = (("overall", "all"), ("dataset", "one"), ("dataset", "two"))
    rows = json.loads(report_files(mixed, reported(scopes=scopes), "x", {"name": "o"}, ["json"])["report.json"])
    assert [row[1] for row in rows["tables"][0]["rows"]] == ["P@1", "NDCG@5", "P@1"]


def test_what_is_printed_names_the_report_and_the_bundle(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"suite": {"name": "mmeb"}}))
    (tmp_path / "report.html").touch()
    scores = [replace(each, metric=metric) for each in whole() for metric in ("P@1", "R@5", "R@10", "MRR")]
    text = printed(tmp_path, scores)
    assert f"Report: {tmp_path / 'report.html'}\n\nBundle: {tmp_path}" in text
    assert "LLaVE-7B" in text
    lines = [line for line in text.splitlines() if line.startswith(("LLaVE-7B", "this checkpoint"))]
    assert len({len(line) for line in lines}) == 1
