"""What the rows of Mine have to be: those of its description, the same each time, none twice."""

import numpy as np
from mymethods.mine import Mine


def test_the_rows_are_the_same_each_time_and_no_test_row_is_trained_on() -> None:
    splits, again = Mine.prepare(200, 50, 100), Mine.prepare(200, 50, 100)
    assert {name: len(rows) for name, rows in splits.rows.items()} == {
        **{"train": 200, "validation": 50, "test": 100}
    }
    for name, rows in splits.rows.items():
        assert rows.shape[1:] == Mine.event and np.isfinite(rows).all()
        np.testing.assert_array_equal(rows, again.rows[name])
    every = np.concatenate(list(splits.rows.values()))
    assert len(np.unique(every, axis=0)) == len(every)


def test_the_rows_lie_on_a_ring() -> None:
    radius = np.linalg.norm(Mine.prepare(5000, 1, 1).train, axis=1)
    assert abs(radius.mean() - 2.0) < 0.02 and abs(radius.std() - 0.2) < 0.02
