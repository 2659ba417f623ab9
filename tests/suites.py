"""Configs of tests: the toy suite, those that are shipped, and their parts."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.suite.load import load
from benchmark.suite.words import ConfigError

ROOT = Path(__file__).parent.parent
TOY = yaml.safe_load((ROOT / "tests/toy.yaml").read_text())
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())

MNIST = {
    "label": "MNIST",
    "class": "benchmark.data.mnist.MNIST",
    "source": "mnist",
    "arguments": {"validation": 10},
}
UNET = {
    **{"class": "benchmark.networks.unet.UNet", "channels": 8, "multipliers": [[1, 2]]},
    **{"residual_blocks": 1, "attention": [[]], "heads": 2},
}


def put(content: dict, path: str, value: Any) -> None:
    """Sets what lies at ``path`` (keys with slashes between them) in a config."""
    *folders, last = path.split("/")
    for folder in folders:
        content = content[folder]
    content[last] = value


def method(name: str, **changes: Any) -> dict:
    """A method of the toy suite, with some of its keys changed."""
    return {**copy.deepcopy(TOY["suites"]["toy"]["methods"][name]), **changes}


def trained(name: str, **changes: Any) -> dict:
    """The settings of the training of a method of the toy suite, with some of them changed."""
    return {**method(name)["train"], **changes}


def with_images(config: dict) -> dict:
    """The toy suite with MNIST and, on that alone, the interpolant with a U-Net."""
    suite = config["suites"]["toy"]
    suite["datasets"]["mnist"] = copy.deepcopy(MNIST)
    for entry in suite["methods"].values():
        entry["datasets"] = ["eight_gaussians"]
    model = {"path": "trigonometric", "network": copy.deepcopy(UNET)}
    suite["methods"]["interpolant"] |= {"datasets": ["mnist"], "model": model}
    return config


def refused(config: dict, message: str) -> list[str]:
    """The lines with which the toy config is refused, among them one like ``message``."""
    with pytest.raises(ConfigError, match=message) as caught:
        load(config)
    told = str(caught.value).splitlines()
    assert all(line.startswith("config.yaml: suites.toy") for line in told)
    return [line.removeprefix("config.yaml: suites.toy") for line in told]
