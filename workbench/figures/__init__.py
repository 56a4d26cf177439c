"""Figures: arrays in, one plotly Figure out; one figure a file."""
