"""Checkpoints of a run: written whole, found again, restored bit for bit; sharded ones, and making them whole."""
