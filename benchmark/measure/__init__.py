"""What is measured on a fitted method."""
