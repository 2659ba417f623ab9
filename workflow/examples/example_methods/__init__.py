"""Methods of recent papers, each one file: a package as a user of the benchmark would have one."""
