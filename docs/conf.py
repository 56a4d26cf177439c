"""Settings of the site: the Markdown files where they lie, and the reference that the sources make. See `make docs`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# Where pages come from. What else lies at the top (environments, runs, built pages) is not even searched.
ROOMS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "lessons")

project = "Multimodal embedding workbench"
html_title = project
extensions = [
    "myst_parser",
    "docs.rendering.reference",
    "docs.rendering.repository_links",
    "docs.rendering.mathml",
]
root_doc = "README"
exclude_patterns = sorted(entry.name for entry in ROOT.iterdir() if entry.name not in ROOMS)
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

# As on a git host: any heading is an anchor, and dollars are mathematics. MathML needs no script from elsewhere.
myst_heading_anchors = 6
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"

html_theme = "furo"
html_static_path = ["rendering/static"]
html_css_files = ["site.css"]
html_copy_source = False
smartquotes = False
html_show_sphinx = False
add_module_names = False
toc_object_entries = False  # thousands of entries, copied for every page
python_maximum_signature_line_length = 100
highlight_language = "text"
