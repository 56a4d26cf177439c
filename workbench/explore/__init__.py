"""What a reader of an evaluation looks at: filters of queries, and a selection that every view reads."""
