"""Types in a signature: what a config may hold, and where it is told that it does not."""

import pytest
from pydantic import ValidationError

from benchmark import parts
from benchmark.shapes import (
    Columns,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Positives,
    Shares,
    Steps,
)

TYPES = {
    **{"count": PositiveInt, "waves": NonNegativeInt, "rate": PositiveFloat},
    **{"noise": NonNegativeFloat, "widths": Positives, "columns": Columns | None},
    **{"steps": Steps, "split": Shares},
}


def typed(name):
    def function(value):
        raise AssertionError("is not called")

    function.__annotations__["value"] = TYPES[name]
    return function


ALLOWED = {
    **{"count": [1, 7], "waves": [0, 3], "rate": [1, 0.5, 1e-9], "noise": [0, 0.0, 2]},
    **{"widths": [[], [1, 2]], "columns": [None, ["a"], [0, 2]], "split": [[0.5, 0.25, 0.25]]},
    "steps": [{}, {"a": 1, "b": 0.1}],
}
REFUSED = {
    "count": [(0, "greater than or equal to 1"), (1.0, "valid integer"), (True, "valid integer")],
    "waves": [(-1, "greater than or equal to 0"), ("3", "valid integer"), (None, "valid integer")],
    "rate": [(0, "greater than 0"), (-0.1, "greater than 0"), ("0.1", "valid number")],
    "noise": [(-1e-9, "greater than or equal to 0"), (True, "valid number")],
    "widths": [(2, "valid array"), ([0], "greater than or equal to 1"), ([1.5], "valid integer")],
    "columns": [("a", "valid array"), ([], "at least 1 item")],
    "steps": [({"a": 0}, "greater than 0"), ({"a": "1e-3"}, "valid number"), ([], "an object")],
    "split": [
        ([1.0], "at least 2 items"),
        ([0.4, 0.2, 0.2, 0.2], "at most 3 items"),
        ([0.5, 0.25, 0.2], "shares that add up to 1, not to 0.95"),
        ([1.0, 0.5, -0.5], "greater than 0"),
    ],
}


@pytest.mark.parametrize(
    ("name", "value"), [(k, v) for k, values in ALLOWED.items() for v in values]
)
def test_what_is_allowed_is_taken_as_it_is(name, value):
    parts.check(typed(name), {"value": value})
    assert parts.convert(typed(name), {"value": value}) == {"value": value}


@pytest.mark.parametrize(
    ("name", "value", "message"), [(k, *case) for k, cases in REFUSED.items() for case in cases]
)
def test_what_is_not_allowed_is_told_with_its_place(name, value, message):
    with pytest.raises(ValidationError) as caught:
        parts.check(typed(name), {"value": value})
    (problem,) = caught.value.errors()
    assert problem["loc"][0] == "value" and message in problem["msg"], problem


def test_columns_are_called_by_their_places_where_they_have_no_names():
    assert parts.convert(typed("steps"), {"value": {2: 0.5}}) == {"value": {2: 0.5}}
