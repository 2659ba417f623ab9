"""Text in Markdown and in LaTeX, where nothing of it is taken for markup."""

import re

from benchmark.suite.letters import spelled

MARKUP = re.compile(
    r"""
    [\\`*$~]
    | (?<!\w)_ | _(?!\w)              # inside a word, it is no emphasis
    | <(?=[A-Za-z/!?])                # a tag
    | &(?=\#|\w+;)                    # an entity
    | \[(?=[^]]*\][(\[:])             # a link, or its definition
    """,
    re.VERBOSE,
)
BEGIN = re.compile(r"^(?=\[|[#>+=-](?!\d))|(?<=^\d)(?=[.)]\s)|(?<=^\d\d)(?=[.)]\s)")
"""Where a paragraph would be a heading, a list, a quotation, a definition or a box to tick."""


def markdown(text: str) -> str:
    """A paragraph, an item of a list, or the text of one."""
    return BEGIN.sub(r"\\", _marked(text))


def markdown_cell(text: str) -> str:
    """Text inside a line, as in a cell of a table."""
    return _marked(text).replace("|", r"\|")


def _marked(text: str) -> str:
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def latex(text: str) -> str:
    """A line of text, of letters and signs that LaTeX knows without a package."""
    line = spelled(" ".join(text.split()))
    # After the end of a row, it would be an argument of that.
    return f"{{}}{line}" if line.startswith(("[", "*")) else line
