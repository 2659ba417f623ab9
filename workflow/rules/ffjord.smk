# The longest trainings of a suite start first.
use rule train as train_ffjord with:
    wildcard_constraints:
        method=variants("ffjord"),
    priority: 2
