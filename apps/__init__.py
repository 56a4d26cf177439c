"""Apps: thin shells over the workbench."""
