"""How fast the benchmark is, beside others: `make bench`. Ratios are taken within one run."""
