"""All pairs of a global batch in similarity tiles: loss and gradients; gradient caching."""
