"""Fitting a method to its training rows."""
