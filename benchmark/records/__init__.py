"""What a run leaves behind: its files, its records, and where they come from."""
