use rule train as train_gaussian with:
    wildcard_constraints:
        method=variants("gaussian"),
