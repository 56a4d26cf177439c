"""Tiny models of every family from random weights, made without any download, for tests and benchmarks."""
