"""Sections with stand-ins for what is wrong in them."""

import copy
from typing import get_args

from pydantic import BaseModel
from suites import TOY

from benchmark.suite.mending import SECTIONS, STAND_INS, mended
from benchmark.suite.models import Budget, Config, SuiteSection

SUITE = TOY["suites"]["toy"]


def test_what_is_right_stays_as_it_is():
    given = copy.deepcopy(SUITE)
    suite = mended(SuiteSection, given)
    assert suite.made == SuiteSection.model_validate(SUITE) and suite.content == given == SUITE
    assert suite.problems == [] and suite.told == []


def test_only_what_is_wrong_is_replaced_and_the_config_is_not_touched():
    given = copy.deepcopy({**SUITE, "seeds": [-1], "thread": 2})
    suite = mended(SuiteSection, given)
    assert suite.content == {**SUITE, "seeds": [0], "threads": 2}
    assert suite.told == [("seeds",)] and len(suite.problems) == 2
    assert given == {**SUITE, "seeds": [-1], "thread": 2}


def test_nothing_is_made_of_what_is_no_section():
    assert mended(SuiteSection, 5).made is None
    assert mended(SuiteSection, 5, "mine.").problems == ["mine is 5; allowed is a mapping."]


def test_two_keys_may_be_meant_to_be_one():
    budget = mended(Budget, {"stesp": 5, "setps": 6})
    assert budget.made == Budget(steps=5) and len(budget.problems) == 2


def needed(model):
    """The keys that a section has to have."""
    fields = model.model_fields.items()
    return {field.alias or name for name, field in fields if field.is_required()}


def reached(annotation):
    """The sections in an annotation, and those in them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from reached(field.annotation)
    for part in get_args(annotation):
        yield from reached(part)


def test_whatever_is_needed_has_a_stand_in():
    sections = set(reached(SuiteSection)) - {SuiteSection}
    assert len(sections) > 10 and set().union(*map(needed, sections)) <= STAND_INS.keys()
    assert needed(SuiteSection) <= SECTIONS.keys()
    assert needed(Config) - {"suite", "suites"} <= STAND_INS.keys()
