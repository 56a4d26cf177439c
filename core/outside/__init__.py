"""Embeddings that another tool made: read, checked, ranked, and written as an ordinary bundle."""
