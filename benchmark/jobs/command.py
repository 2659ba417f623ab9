"""What commands that name a suite have in common: ``make keep SUITE=quick``."""

import sys

from benchmark.suite import yaml_file
from benchmark.suite.load import load
from benchmark.suite.suite import Suite
from benchmark.suite.words import ConfigError


def suite_named(name: str, config: str = "config.yaml") -> Suite:
    """The suite of this name in a config file; what is wrong with either ends the command."""
    try:
        content = yaml_file.read(config, "what workflow/README.md says")
        return load({**content, "suite": name}, config)
    except (ConfigError, OSError) as error:
        sys.exit(str(error))
