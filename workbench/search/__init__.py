"""Live search: queries, exact search, and what can be searched."""
