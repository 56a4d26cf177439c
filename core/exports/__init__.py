"""Handing a checkpoint to others: sentence-transformers folders, model cards, the hub."""
