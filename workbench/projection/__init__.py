"""Maps of a bundle: projections to the plane, how far to trust them, and what each point is."""
