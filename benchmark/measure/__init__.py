"""Measurements of fitted methods, each from the files of a run."""
