"""Reading the checkpoints that others publish: each layout recognised, every weight accounted for."""
