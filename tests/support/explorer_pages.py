"""What a page of the explorer, run without a browser, shows."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def said(page: AppTest, *kinds: str) -> str:
    """All words of some kinds of elements."""
    kinds = kinds or ("markdown", "caption", "text", "error", "warning", "info", "success", "title", "code")
    return "\n".join(element.value for kind in kinds for element in page.get(kind) if hasattr(element, "value"))


def figures(page: AppTest) -> list[dict[str, Any]]:
    """The specifications of all charts."""
    return [json.loads(element.proto.spec) for element in page.get("plotly_chart")]


def metrics(page: AppTest) -> dict[str, str]:
    """The shown numbers by label."""
    return {metric.label: metric.value for metric in page.metric}
