"""Bundles and embedded folders for other tools: Embedding Atlas, LanceDB, Qdrant; and searching what lies there."""
