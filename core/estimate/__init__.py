"""What a training needs, before it starts: memory, FLOPs, hours, what is missing (--dry_run)."""
