"""Corpora: folders of pictures as vectors and a table."""
