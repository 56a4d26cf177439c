"""One step over many processes: gathering, the contrast of all pairs, gradient caching."""
