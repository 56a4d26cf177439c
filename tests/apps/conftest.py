"""The explorer's pages, run without a browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

SCRIPT = Path(__file__).parents[2] / "apps" / "explorer.py"


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Run the explorer over a root folder with some URL parameters; it must not raise."""
    st.cache_resource.clear()
    st.config.set_option("server.address", "127.0.0.1")

    def run(root: Path, **address: str) -> AppTest:
        monkeypatch.setattr("sys.argv", ["explorer.py", "--root", str(root)])
        page = AppTest.from_file(str(SCRIPT), default_timeout=180)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception, page.exception
        return page

    return run
