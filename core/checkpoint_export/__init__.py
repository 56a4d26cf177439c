"""Writing our checkpoints for other libraries and for the hub, with a model card."""
