"""One adapter per model family; `choose` finds the one of a model."""
