"""Mathematics as MathML, which browsers draw by themselves: no script and no font is loaded."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def inline(visitor: Any, node: nodes.math) -> None:  # noqa: ANN401 - Sphinx's HTML writer
    """Write $...$."""
    visitor.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(visitor: Any, node: nodes.math_block) -> None:  # noqa: ANN401 - Sphinx's HTML writer
    """Write $$...$$."""
    visitor.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
