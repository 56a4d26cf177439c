"""Records of what is embedded and asked, where they come from, and how they become batches."""
