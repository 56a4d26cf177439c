"""Exact search in the vectors of a bundle or a folder, ranked, ties told."""
