"""Live search: queries of one's own, and what can be searched."""
