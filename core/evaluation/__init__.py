"""Scoring a checkpoint: encode, rank, score, report, and the bundle that people look at."""
