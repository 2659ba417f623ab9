"""Paired tests and Holm's correction, against closed forms and by how often they err."""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from benchmark.report.significance import Comparison, Paired, comparisons, holm, paired


def test_p_values_are_those_of_students_t_by_hand():
    first = np.zeros((3, 4))
    second = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 7]])
    found = paired(first, second)
    rows = np.array([2, 3, 4, 16 / 3])
    seeds = np.array([2.5, 3.5, 4.75])
    for p, values in ((found.rows, rows), (found.seeds, seeds)):
        n = len(values)
        t = values.mean() / (values.std(ddof=1) / math.sqrt(n))
        assert p == pytest.approx(2 * student.sf(t, n - 1), rel=1e-12)
    assert found.p == max(found.rows, found.seeds)


def test_rows_are_paired():
    # Rows differ by 100, methods by 0.1: unpaired, nothing would be seen.
    rng = np.random.default_rng(0)
    rows = 100 * rng.normal(size=1000)
    first = rows + 0.01 * rng.normal(size=(3, 1000))
    assert paired(first, first + 0.1 + 0.01 * rng.normal(size=(3, 1000))).p < 1e-3


def test_direction_does_not_matter():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 3, 50))
    assert paired(first, second) == pytest.approx(paired(second, first))


def test_one_refit_is_too_few_to_tell():
    found = paired(np.zeros((1, 5)), np.array([[1.0, 2, 3, 4, 5]]))
    assert found.seeds is None and found.p is None and 0 < found.rows < 0.05


def test_differences_without_spread():
    none = Paired(None, None)
    assert paired(np.zeros((2, 3)), np.zeros((2, 3))) == none
    assert paired(np.zeros((2, 3)), np.ones((2, 3))) == none
    rows = np.random.default_rng(6).normal(size=(1, 50)) * np.ones((2, 1))
    assert paired(rows, rows + 1 / 3) == none  # but for rounding
    other = np.random.default_rng(7).normal(size=(1, 50)) * np.ones((2, 1))
    found = paired(rows, other)  # two fits without anything random
    assert found.rows is not None and found.seeds is None and found.p is None
    a, b, c = ({seed: values for seed in range(2)} for values in (rows[0], rows[0] + 1, other[0]))
    assert {one.verdict for one in comparisons({"a": a, "b": b})} == {"no spread to tell by"}
    assert {one.verdict for one in comparisons({"a": a, "c": c})} == {"no spread to tell by"}


def test_one_test_row_has_no_p_value():
    rng = np.random.default_rng(8)
    a, b = (refits(rng, mean, range(3), rows=1) for mean in (0.0, 5.0))
    (found,) = comparisons({"a": a, "b": b})
    assert found.p.rows is None and found.corrected is None
    assert found.verdict == "n too small to tell"


def test_false_alarms_are_as_many_as_the_level():
    rng = np.random.default_rng(2)
    n = 2000
    alarms = [paired(*rng.normal(size=(2, 3, 30))) for _ in range(n)]
    for which in ("rows", "seeds"):
        share = np.mean([getattr(found, which) < 0.05 for found in alarms])
        assert abs(share - 0.05) < 4 * math.sqrt(0.05 * 0.95 / n)


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.5.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_keeps_the_chance_of_any_false_alarm():
    rng = np.random.default_rng(3)
    n = 4000
    any_alarm = np.mean([min(holm(list(rng.uniform(size=6)))) < 0.05 for _ in range(n)])
    assert abs(any_alarm - (1 - (1 - 0.05 / 6) ** 6)) < 4 * math.sqrt(0.05 * 0.95 / n)


def refits(rng, mean, seeds, rows=200):
    return {seed: mean + 0.1 * rng.normal(size=rows) for seed in seeds}


def test_the_first_is_compared_with_each_other_on_the_seeds_that_both_have():
    rng = np.random.default_rng(4)
    nll = {"a": refits(rng, 0.0, [0, 1, 2]), "b": refits(rng, 0.3, [2, 1, 5])}
    nll |= {"c": refits(rng, 0.0, [1, 2, 0])}
    found = comparisons(nll)
    assert [(c.best, c.other, c.n) for c in found] == [("a", "b", 2), ("a", "c", 3)]
    first = np.array([nll["a"][seed] for seed in (1, 2)])
    second = np.array([nll["b"][seed] for seed in (1, 2)])
    assert found[0].difference == pytest.approx(second.mean() - first.mean(), rel=1e-12)
    assert found[0].p == pytest.approx(paired(first, second), rel=1e-12)
    assert [c.corrected for c in found] == pytest.approx(holm([c.p.p for c in found]))


def test_only_what_has_a_p_value_counts_for_the_correction():
    rng = np.random.default_rng(5)
    nll = {"a": refits(rng, 0.0, range(3)), "b": refits(rng, 1.0, range(3))}
    alone = comparisons(nll)[0]
    nll = {"a": nll["a"], "single": {0: nll["b"][0]}, "none": {9: nll["b"][0]}, "b": nll["b"]}
    single, none, found = comparisons(nll)
    assert found == alone and found.corrected == found.p.p
    assert single.corrected is None and single.p.seeds is None and single.p.rows < 0.05
    assert none.corrected is None and none.n == 0 and math.isnan(none.difference)
    assert single.verdict == none.verdict == "n too small to tell"


@pytest.mark.parametrize(
    ("corrected", "verdict"),
    [(0.0499, "differs"), (0.05, "differs"), (0.0501, "tied"), (None, "no spread to tell by")],
)
def test_a_comparison_in_words(corrected, verdict):
    assert Comparison("a", "b", 3, 0.1, Paired(0.01, 0.02), corrected, 0.01).verdict == verdict
    few = Comparison("a", "b", 3, 0.1, Paired(0.01, 0.02), corrected, 0.0501).verdict
    assert few == ("differs" if verdict == "differs" else "n too small to tell")


def alike(seeds, others):
    rng = np.random.default_rng(9)
    return {name: refits(rng, 0.0, range(seeds)) for name in ("a", "b", "c", "d")[: others + 1]}


@pytest.mark.parametrize(
    ("seeds", "others", "verdict"),
    [(2, 1, "tied"), (2, 2, "n too small to tell"), (2, 3, "n too small to tell"), (3, 3, "tied")],
)
def test_few_refits_and_several_comparisons_cannot_tell(seeds, others, verdict):
    found = comparisons(alike(seeds, others))
    assert {one.verdict for one in found} == {verdict}
    # Student's t of one degree of freedom is Cauchy's: p = 1 - 2 arctan(t) / pi.
    at_ten = 1 - 2 * math.atan(10 * math.sqrt(2)) / math.pi
    if seeds == 2:
        assert [one.least for one in found] == pytest.approx([others * at_ten] * others)
