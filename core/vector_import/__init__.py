"""Vectors that another tool or model made, turned into a bundle."""
