"""Pictures from files, bytes, folders and ZIP archives, opened late and with limits."""
