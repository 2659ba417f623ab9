"""Lays down a part of one's own: a class or a program that runs, its entry in a suite, its test.

``python -m benchmark.jobs.scaffold method mine ../research/mymethods`` copies the templates of a
method, ``workflow/templates/method``, into the package ``mymethods``. The folder of the package
has a ``config.yaml`` with the suite, and a ``Snakefile`` by which ``snakemake`` runs it there; both
are made where there are none. No file is replaced; everything is written, or nothing.
"""

import importlib.machinery
import json
import keyword
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmark.files import atomic, writing
from benchmark.source import ROOT
from benchmark.suite import entries, place, yaml_file
from benchmark.suite.words import ConfigError, in_file, unknown

TEMPLATES = ROOT / "workflow/templates"
FOLDER = TEMPLATES / "folder"
"""The templates of the folder in which a package lies."""
PACKAGE = ROOT.parent / "research/mymethods"
COLOURS = ("#882255", "#332288", "#44aa99", "#999933", "#aa4499", "#117733", "#88ccee", "#ddcc77")
"""Colours of methods of one's own (Tol's muted scheme); the first is that of the templates."""


@dataclass(frozen=True)
class Part:
    """A part of one's own: its kind, its name, and the package in which it is to lie."""

    kind: str
    name: str
    package: Path

    @property
    def folder(self) -> Path:
        """The folder in which the package lies."""
        return self.package.parent

    @property
    def class_name(self) -> str:
        """The name of its class."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def section(self) -> str:
        """The section of a suite in which it has its entry."""
        (template,) = (TEMPLATES / self.kind).glob("*.yaml")
        return template.stem

    @property
    def entry(self) -> str:
        """Its entry, with the first of the colours."""
        return self.named(
            (TEMPLATES / self.kind / f"{self.section}.yaml").read_text(encoding="utf-8")
        )

    @property
    def files(self) -> dict[Path, str]:
        """Its files, and what is in them."""
        paths = sorted((TEMPLATES / self.kind).glob("*mine*"))
        return {
            self.package / self.named(path.name): self.named(path.read_text(encoding="utf-8"))
            for path in paths
        }

    @property
    def surroundings(self) -> dict[Path, str]:
        """The files of its folder that every part shares, and what is in them."""
        workflow = json.dumps(str(ROOT / "workflow"), ensure_ascii=False)[1:-1]
        paths = (FOLDER / "config.yaml", FOLDER / "Snakefile", FOLDER / "mymethods/__init__.py")
        return {
            self.folder / self.named(str(path.relative_to(FOLDER))): self.named(
                path.read_text(encoding="utf-8")
            ).replace("../..", workflow)
            for path in paths
        }

    def named(self, text: str) -> str:
        """The text of a template, or the path of one, with the names of this part."""
        names = {
            **{"mymethods": self.package.name, "mine": self.name, "Mine": self.class_name},
            "MINE": self.name.replace("_", " ").capitalize(),
        }
        words = rf"(?<![A-Za-z0-9])({'|'.join(names)})(?![A-Za-z0-9])"
        return re.sub(words, lambda found: names[found[1]], text)


def lay_down(part: Part) -> list[Path]:
    """Write a part of one's own; the files that are new.

    Raises ``ConfigError`` for a name, a place or a config that will not do; it then writes nothing.
    """
    if problems := list(_problems(part)):
        raise ConfigError(in_file(f"new {part.kind}", problems))
    place.check(part.folder, has_config=True)
    absent = {path: text for path, text in part.surroundings.items() if not path.exists()}
    new = {**absent, **part.files}
    with ExitStack() as undo:
        for path, text in new.items():
            _write(path, text, undo)
        _add_entry(part)
        undo.pop_all()
    return list(new)


def _problems(part: Part) -> Iterator[str]:
    kinds = sorted(path.name for path in TEMPLATES.iterdir() if path != FOLDER)
    if part.kind not in kinds:
        yield unknown("kind", part.kind, kinds)
        return
    yield from _about_name("NAME", part.name, None)
    yield from _about_name("IN", part.package.name, part.package)
    if part.class_name in _imported(part):
        yield f"NAME is {part.name!r}: the file imports another {part.class_name}; choose another."
    if part.package.is_relative_to(ROOT):
        yield f"IN is {part.package}, in this checkout; allowed is a package of your own, outside."
    taken = [path for path in part.files if path.exists()]
    yield from (f"{path} is there, and nothing is replaced: choose another NAME." for path in taken)


def _about_name(key: str, name: str, package: Path | None) -> Iterator[str]:
    """What is wrong with a name, which may be that of ``package``."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        yield f"{key} is {name!r}; allowed is a name in Python of small letters, such as my_flow."
        return
    spec = importlib.machinery.PathFinder.find_spec(name)
    origin = None if spec is None else spec.origin
    is_own = origin is not None and package is not None and Path(origin).parent == package
    if name in sys.stdlib_module_names or origin is not None and not is_own:
        yield f"{key} is {name!r}, a module that Python has already; choose another."


def _imported(part: Part) -> set[str]:
    """The names that the files of a part import."""
    lines = [line for text in part.files.values() for line in text.splitlines()]
    own = f"from {part.package.name}."
    imports = [x for x in lines if x.startswith(("from ", "import ")) and not x.startswith(own)]
    return {word for line in imports for word in re.findall(r"\w+", line)}


def _write(path: Path, text: str, undo: ExitStack) -> None:
    """Write a new file, and say how it is undone."""
    with writing(path.parent):
        for folder in reversed([above for above in path.parents if not above.exists()]):
            folder.mkdir()
            undo.callback(folder.rmdir)
        with path.open("x", encoding="utf-8") as file:
            undo.callback(path.unlink)
            file.write(text)


def _add_entry(part: Part) -> None:
    """Add the entry of a part to the suite of its folder."""
    file, suite = _place(part)
    text = file.read_text(encoding="utf-8")
    entry = part.entry.replace(COLOURS[0], _colour(text))
    try:
        after = entries.added(text, [*suite, part.section], entry)
    except ValueError as error:
        raise ConfigError(in_file(str(file), [f"{error}. The entry is\n{entry}"])) from None
    with atomic(file.resolve()) as temporary:  # it may be a link
        temporary.write_text(after, encoding="utf-8")


def _place(part: Part) -> tuple[Path, list[str]]:
    """The file that holds the suite of a folder, and the keys that lead to it there.

    Raises ``ConfigError`` for a config that has none, or that does not look for the package there.
    """
    config = part.folder / "config.yaml"
    content = yaml_file.read(str(config), "what workflow/README.md says")
    name, suites = content.get("suite"), content.get("suites")
    suite = suites.get(name) if isinstance(suites, dict) else None
    problems = []
    if not isinstance(suite, str | dict):
        problems.append("suite names none of suites, in which the entry could stand.")
    folders = [(part.folder / str(path)).resolve() for path in content.get("python_path") or []]
    if part.folder not in folders:
        problems.append(
            f"python_path lacks {part.folder}, where {part.package.name} lies: add '.'."
        )
    if problems:
        raise ConfigError(in_file(str(config), problems))
    if isinstance(suite, str):
        return part.folder / suite, []
    return config, ["suites", str(name)]


def _colour(text: str) -> str:
    """The first colour that a config does not have yet."""
    return next((colour for colour in COLOURS if colour not in text.lower()), COLOURS[0])


def next_commands(part: Part) -> list[str]:
    """What to type after a part was laid down."""
    place = shlex.quote(os.path.relpath(part.folder))
    activate = Path(sys.prefix) / "bin/activate"
    entered = f" && . {shlex.quote(str(activate))}" if activate.exists() else ""
    (test,) = (path for path in part.files if path.name.startswith("test_"))
    check = [f"python -m benchmark.contract {part.name}    # its properties, in about a minute"]
    return [
        f"cd {place}{entered}",
        f"pytest {test.relative_to(part.folder)}",
        *(check if part.kind == "method" else ()),
        "snakemake -n             # what would be run",
        "snakemake --cores all    # run it",
    ]


def main(kind: str, name: str, package: str = "") -> None:
    """Lay down a part, and print what is new and what to type next."""
    part = Part(kind, name, Path(package).resolve() if package else PACKAGE)
    try:
        new = lay_down(part)
    except (ConfigError, OSError) as error:
        sys.exit(str(error))
    print("New:", *(f"  {os.path.relpath(path)}" for path in new), sep="\n")
    print(f"An entry under {part.section} in {os.path.relpath(part.folder / 'config.yaml')}.")
    print("Next:", *(f"  {command}" for command in next_commands(part)), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
