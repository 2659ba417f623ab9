"""Data sets: how each is made or fetched, and prepared rows on disk."""
