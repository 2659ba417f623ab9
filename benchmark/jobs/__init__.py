"""What the rules run."""
