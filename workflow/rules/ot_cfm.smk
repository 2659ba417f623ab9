use rule train as train_ot_cfm with:
    wildcard_constraints:
        method=variants("ot_cfm"),
