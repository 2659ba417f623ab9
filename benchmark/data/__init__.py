"""Data sets: their download, their preparation, and the prepared rows on disk."""
