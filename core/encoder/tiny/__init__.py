"""Tiny models of every supported backbone, made from configs without any download."""
