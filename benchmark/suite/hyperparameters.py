"""The hyperparameters of a fit: the entry of its method, and what differs on a data set."""

from collections.abc import Mapping
from typing import Any

from benchmark.section import plain
from benchmark.suite.grid import merged
from benchmark.suite.models import Budget, MethodEntry
from benchmark.training.settings import Hyperparameters, Training


def hyperparameters(
    method: MethodEntry, dataset: str, budget: Budget | None = None
) -> Hyperparameters:
    """Those of a method of this library on a data set, which may have a budget for all."""
    assert method.kind is not None
    model, train = sections(method, dataset)
    if train.get("steps") != 0:
        train |= plain(budget)
    return Hyperparameters(method.kind, model, Training.model_validate(train))


def sections(method: MethodEntry, dataset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """``model`` and ``train`` of a method, with what differs on a data set."""
    differences = method.per_dataset if isinstance(method.per_dataset, Mapping) else {}
    differs = differences.get(dataset)
    model, train = (differs.model, differs.train) if differs is not None else ({}, {})
    return merged(method.model or {}, model), merged(method.train or {}, train)
