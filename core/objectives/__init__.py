"""Objectives over similarities: one file each, all of the weighted-softmax family's contract."""
