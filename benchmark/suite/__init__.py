"""What a config says, checked before any job starts."""
