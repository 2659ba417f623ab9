use rule train as train_oracle_flow with:
    wildcard_constraints:
        method=variants("oracle_flow"),
