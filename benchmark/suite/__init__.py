"""A config as types, checked before any job starts."""
