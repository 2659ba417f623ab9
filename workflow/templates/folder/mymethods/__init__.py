"""Methods, networks, data sets and measurements of our own."""
