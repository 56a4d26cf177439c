"""Published checkpoints, each in its own layout, turned into the one that `Embedder.load` reads."""
