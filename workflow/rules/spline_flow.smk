use rule train as train_spline_flow with:
    wildcard_constraints:
        method=variants("spline_flow"),
