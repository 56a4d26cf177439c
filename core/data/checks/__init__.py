"""What cannot be used in data that somebody brings: found before any work starts, and told by row."""
