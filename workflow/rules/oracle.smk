use rule train as train_oracle with:
    wildcard_constraints:
        method=variants("oracle"),
