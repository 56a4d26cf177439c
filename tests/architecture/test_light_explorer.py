"""The explorer opens quickly: what only some views need is imported by those views."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ("transformers", "sklearn", "scipy.stats", "umap", "numba", "tokenizers", "gradio")


def test_the_explorers_page_imports_nothing_heavy_before_a_view_needs_it():
    code = f"import sys, apps.explorer; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
