"""Checks of the course's exercises: each takes the learner's function and names the likely mistake."""
