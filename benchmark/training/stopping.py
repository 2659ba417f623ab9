"""Early stopping on a plateau of the validation NLL."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benchmark.flow import Method
from benchmark.training.settings import EarlyStopping

NO_EARLY_STOPPING = EarlyStopping(patience=1, drops=0, factor=1.0)
"""Settings of a plateau that never sees a validation."""


class Plateau:
    """Early stopping, and the weights of the best validation.

    After ``patience`` validations in a row without improvement the learning rate is multiplied by
    ``factor``, at most ``drops`` times; after as many more the training is over. No drops are plain
    early stopping.
    """

    def __init__(self, settings: EarlyStopping) -> None:
        self.settings = settings
        self.best, self.waited, self.dropped = math.inf, 0, 0
        self.weights: dict[str, Tensor] = {}

    @property
    def learning_rate(self) -> float:
        """The current factor of the learning rate."""
        return self.settings.factor**self.dropped

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self.dropped > self.settings.drops

    def see(self, nll: float, method: Method) -> None:
        """Take note of a validation of ``method``."""
        self.waited += 1
        if nll < self.best:
            self.best, self.waited = nll, 0
            self.weights = copy.deepcopy(method.state_dict())
        elif self.waited == self.settings.patience:
            self.dropped, self.waited = self.dropped + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Everything seen so far."""
        seen = {"best": self.best, "waited": self.waited, "dropped": self.dropped}
        return {**seen, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from ``state_dict()``."""
        self.best, self.waited, self.dropped = (state[k] for k in ("best", "waited", "dropped"))
        self.weights = state["weights"]

    def restore(self, method: Method) -> None:
        """Give ``method`` the best weights seen; it keeps its own if no validation NLL was
        finite."""
        if self.weights:
            method.load_state_dict(self.weights)
