"""The jobs of the rules."""
