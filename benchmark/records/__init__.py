"""The files of a run, its records, and their provenance."""
