"""A training run: its folder and logs, its steps, and what each step is made of."""
