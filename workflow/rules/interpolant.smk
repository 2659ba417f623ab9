use rule train as train_interpolant with:
    wildcard_constraints:
        method=variants("interpolant"),
