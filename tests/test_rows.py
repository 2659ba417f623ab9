"""Training rows: drawn, dequantised, all of them in parts."""

import math

import numpy as np
import torch

from benchmark import rows as module
from benchmark.coordinates import Affine
from benchmark.rows import Rows

CPU = torch.device("cpu")


def plain_rows():
    return Rows(np.arange(40.0).reshape(20, 2), None, CPU)


def test_integer_rows_are_dequantised_anew_at_every_draw():
    pixels = np.arange(17, dtype=np.uint8).repeat(1000)[:, None]
    rows = Rows(pixels, 17, CPU)
    first, second = rows.all(), rows.all()
    for x in (first, second):
        # (k + u) / 17: the levels are where they were, and the noise is uniform in each.
        assert torch.equal(torch.floor(17 * x).flatten(), torch.tensor(pixels).flatten().double())
        noise = 17 * x - torch.floor(17 * x)
        assert abs(noise.mean() - 0.5) < 4 * noise.std() / math.sqrt(len(x))
        assert abs(noise.std() - math.sqrt(1 / 12)) < 0.01
    assert first.min() >= 0 and first.max() < 1 and not torch.equal(first, second)
    drawn = rows.draw(5000)
    levels = torch.bincount(torch.floor(17 * drawn).long().flatten(), minlength=17)
    expected = 5000 / 17
    assert ((levels - expected).abs() < 5 * math.sqrt(expected)).all() and len(levels) == 17


def test_real_rows_are_as_they_are():
    rows = plain_rows()
    assert torch.equal(rows.all(), torch.arange(40.0).reshape(20, 2))
    drawn = rows.draw(1000)
    assert (drawn[:, 1] - drawn[:, 0] == 1).all() and len(drawn[:, 0].unique()) == 20


def test_coordinates_lie_where_the_rows_lie():
    rows = Rows(np.zeros((3, 2)), None, torch.device("meta"))  # stands for a GPU
    assert rows.fitted("identity").shift.device == rows.rows.device


def test_parts_are_all_rows_few_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "ROWS_PER_PART", 7)
    rows = plain_rows().within(Affine(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])))
    parts = list(rows.parts())
    assert [len(part) for part in parts] == [7, 7, 6]
    assert torch.equal(torch.cat(parts), rows.all())
