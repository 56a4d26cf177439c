"""Writing files that are never half there, and the names of the files in a run folder."""
