"""Figures: one module a figure, and what they share."""
