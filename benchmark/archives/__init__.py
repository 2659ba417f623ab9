"""Archives of finished runs, which stand beside one's own without being made again."""
