"""Buttons that take a table away, as Parquet or CSV; the file is made when the button is pressed."""

import io

import pandas as pd
import streamlit as st

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell of words that begins so for a formula (OWASP ASVS 1.2.10)."""


def download_table(table: pd.DataFrame, name: str, key: str) -> None:
    """Return two small buttons that save a table, all of its rows, under a name."""
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "CSV", lambda: as_csv(table), f"{name}.csv", "text/csv", key=f"{key}-csv",
            on_click="ignore", type="tertiary", help=f"Save all {len(table):,} rows",
        )  # fmt: skip
        st.download_button(
            "Parquet", lambda: as_parquet(table), f"{name}.parquet", "application/octet-stream", key=f"{key}-parquet",
            on_click="ignore", type="tertiary", help=f"Save all {len(table):,} rows",
        )  # fmt: skip


def as_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV; words that a spreadsheet would take for a formula begin with an apostrophe."""
    guarded = table.copy()
    for column in guarded.columns:
        if not pd.api.types.is_numeric_dtype(guarded[column]):
            guarded[column] = [guard(each) for each in guarded[column]]
    return guarded.to_csv(index=False).encode()


def guard(cell: object) -> object:
    """Return a cell that no spreadsheet runs; numbers stay what they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def as_parquet(table: pd.DataFrame) -> bytes:
    """Return a table as Parquet, its numbers as they are."""
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()
