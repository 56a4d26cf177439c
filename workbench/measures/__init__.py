"""Measures: what the arrays of a bundle say about a model, as numbers."""
