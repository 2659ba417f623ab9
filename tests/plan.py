"""The plan of a short training, and what only trains, for tests that train."""

from typing import Any

from benchmark.flow import Method
from benchmark.training.loop import Validation
from benchmark.training.settings import Training


def plan(steps: int, batch_size: int, lr: float, **changes: Any) -> Training:
    """Adam on a cosine schedule, in the coordinates of the data, validated once at the end."""
    usual = {
        **{"optimiser": "adam", "weight_decay": 0.0, "schedule": "cosine", "clip": 1.0},
        **{"ema": 0.99, "precision": "float32", "coordinates": "identity", "validations": 1},
        "early_stopping": None,
    }
    return Training(steps=steps, batch_size=batch_size, lr=lr, **{**usual, **changes})


def unvalidated(method: Method) -> Validation:
    """For trainings that are not looked at before their end."""
    return Validation(None, {})


class OnlyTrained(Method):
    """A method that is trained and then not used."""

    @classmethod
    def build(cls, event):
        return cls()

    def log_prob(self, x, tolerance, t=1.0):
        raise NotImplementedError

    def sample(self, n, tolerance):
        raise NotImplementedError

    def protocol(self, tolerance):
        raise NotImplementedError
