"""The parts of the live search page (apps/search.py)."""
