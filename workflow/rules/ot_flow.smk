use rule train as train_ot_flow with:
    wildcard_constraints:
        method=variants("ot_flow"),
