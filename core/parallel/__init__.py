"""Many processes as one job: collectives, sharded weights (FSDP2), joining and leaving."""
