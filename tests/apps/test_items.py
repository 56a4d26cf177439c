"""The explorer's items: found by words, by neighbours, by doubles; also of vectors that came without pairs."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from explorer_pages import said

from core.vector_import.import_bundle import ImportSettings, import_embeddings


def test_items_are_found_by_words_and_paged_and_lead_to_their_neighbours(show, written_run):
    page = show(written_run.parent, view="items")
    assert "**194** of 194 items" in said(page, "markdown")
    assert len([each for each in page.button if each.label == "nearest"]) == 24
    page.text_input(key="find_words").set_value("cross").run()
    assert not page.exception
    found = [each for each in page.button if each.label == "nearest"]
    assert 0 < len(found) < 24
    assert page.query_params["find_words"] == "cross"
    row = int(found[0].key.removeprefix("near-"))
    found[0].click().run()
    assert (page.query_params["find"], page.query_params["item"]) == ("near", str(row))
    assert f"**Item {row}**" in said(page, "markdown")
    assert "##### Its 100 nearest of 194" in said(page, "markdown")
    page.button(key="select-all").click().run()
    assert page.query_params["select"].startswith("items:")
    assert page.query_params["select"].count(",") == 99


def test_vectors_without_pairs_open_items_and_map_and_say_what_pairs_unlock(show, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(30, 8))
    vectors[7] = vectors[3]
    texts = [f"text {row % 28}" for row in range(30)]
    table = pa.table({"id": list(range(30)), "text": texts, "vector": vectors.tolist()})
    pq.write_table(table, tmp_path / "catalogue.parquet")
    import_embeddings(ImportSettings(tmp_path / "catalogue.parquet", tmp_path / "runs" / "mine"), progress=False)
    root = tmp_path / "runs"
    page = show(root, view="items", find="vectors")
    assert "**2** of 30 items share their vector with others, in **1** groups" in said(page, "markdown")
    page = show(root, view="items", find="texts")
    assert "**4** of 30 items share their text with others, in **2** groups" in said(page, "markdown")
    page = show(root)
    assert page.title[0].value == "30 items, no pairs"
    assert "--queries_from text --targets_from image" in said(page, "markdown")
    assert f"--embeddings {tmp_path / 'catalogue.parquet'}" in page.code[0].value
    page.button(key="go-map").click().run()
    assert not page.exception
    assert not page.error
    assert page.query_params["view"] == "map"
