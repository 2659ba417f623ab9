use rule train as train_score_sde with:
    wildcard_constraints:
        method=variants("score_sde"),
