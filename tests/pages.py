"""The blocks of the pages, for the tests that run them."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PAGES = (
    *("README.md", "CONTRIBUTING.md", "benchmark/README.md", "benchmark/baselines/README.md"),
    *("benchmark/data/README.md", "workflow/README.md", "workflow/plugin/README.md"),
    *("workflow/YOUR_BASELINE.md", "workflow/examples/README.md", "slurm/README.md"),
    *("results/README.md", "results/example/README.md"),
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    """The language and the text of each block of a page."""
    return BLOCK.findall((ROOT / page).read_text())


def block(page: str, words: str) -> str:
    """The one block of a page that has these words."""
    (text,) = (text for _, text in blocks(page) if words in text)
    return text


def parsed(page: str, words: str) -> Any:
    """The same, a part of a config or of a profile."""
    return yaml.safe_load(block(page, words))
