"""Train and evaluate universal multimodal embedding models; no plotting, no user interface."""
