"""The names of the files and folders in a run's folder, which training writes and everything else reads."""

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
PAIR_RECORDS = "pairs"
NONFINITE = "nonfinite.jsonl"
