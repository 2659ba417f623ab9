"""The settings of a training."""

import math

import pytest
from pydantic import ValidationError
from sliding import settings

from benchmark.training.settings import EarlyStopping, StepDecay, Training

DECAY = {"kind": "step", "every": 3, "factor": 0.5}
STOP = {"patience": 2, "drops": 0, "factor": 1.0}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"steps": 1000.0}, "steps"),
        ({"steps": "5"}, "steps"),
        ({"steps": True}, "steps"),
        ({"steps": -1}, "steps"),
        ({"seconds": 0}, "seconds"),
        ({"batch_size": 0}, "batch_size"),
        ({"accumulate": 0}, "accumulate"),
        ({"compile": 1}, "compile"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"lr": "1e-5"}, "lr"),
        ({"lr": True}, "lr"),
        ({"lr": 0.0}, "lr"),
        ({"lr": math.inf}, "lr"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"schedule": "step"}, "schedule"),
        ({"schedule": {**DECAY, "every": 0}}, "schedule.StepDecay.every"),
        ({"schedule": {**DECAY, "every": 3.0}}, "schedule.StepDecay.every"),
        ({"schedule": {**DECAY, "factor": 1.1}}, "schedule.StepDecay.factor"),
        ({"clip": 0.0}, "clip"),
        ({"ema": 1.0}, "ema"),
        ({"precision": "float16"}, "precision"),
        ({"coordinates": "polar"}, "coordinates"),
        ({"validations": 0}, "validations"),
        ({"early_stopping": True}, "early_stopping"),
        ({"early_stopping": {**STOP, "patience": 0}}, "early_stopping.patience"),
        ({"early_stopping": {**STOP, "drop": 1}}, "early_stopping.drop"),
        ({"momentum": 0.9}, "momentum"),
    ],
)
def test_settings_outside_their_ranges_are_refused(changes, place):
    with pytest.raises(ValidationError) as caught:
        settings(**changes)
    places = [".".join(map(str, error["loc"])) for error in caught.value.errors()]
    assert any(found.startswith(place) for found in places)


def test_settings_at_the_ends_of_their_ranges_are_allowed():
    whole = settings(steps=0, lr=1, weight_decay=0, clip=None, ema=0, accumulate=1)
    assert (whole.steps, whole.lr, whole.seconds, whole.compile) == (0, 1.0, None, False)
    nested = settings(schedule={**DECAY, "factor": 1}, early_stopping={**STOP, "factor": 1})
    assert nested == settings(
        schedule=StepDecay(kind="step", every=3, factor=1.0),
        early_stopping=EarlyStopping(patience=2, drops=0, factor=1.0),
    )


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        settings().lr = 1.0


def test_every_setting_has_a_description():
    for model in (Training, StepDecay, EarlyStopping):
        assert all(field.description for field in model.model_fields.values())
