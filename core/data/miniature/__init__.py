"""The miniature: a generated benchmark with MMEB's structure whose true hardness is known."""
