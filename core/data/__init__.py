"""Data: items, pairs and rankings, the readers that make them, and the batches and checks over them."""
