"""The source that a class depends on, and its digest: what a result was computed with.

The digest is of the syntax trees, without comments, docstrings and descriptions of fields, of
modules and of everything that they import, as far as it is source: this project, a folder on the
path, a package installed in editable form. An installed distribution counts by name and version,
except those that this project requires (torch, numpy, ...), whose versions stand in the provenance
of every result. Nothing is imported to find this out: files are read as text, and what was read
once is cached by content.
"""

import ast
import functools
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmark.files import read_json, write_json

ROOT = Path(__file__).resolve().parent.parent
STANDARD_LIBRARY = sysconfig.get_path("stdlib")
TREES = Path(".snakemake/benchmark/trees.json")
"""Digest and imports of the files that were read, by the hash of their content."""
RELEASES = Path(".snakemake/benchmark/releases.json")
"""Name and version of what is installed, by top-level module."""


class Tree(NamedTuple):
    """Digest of a syntax tree, and what it imports: ``module``, or ``package.name`` of a name."""

    digest: str
    imports: tuple[str, ...]


def file_of(module: str) -> Path | None:
    """The source file of a module; ``None`` where there is none."""
    spec = _spec(module)
    origin = Path(spec.origin) if spec is not None and spec.origin else None
    return origin if origin is not None and origin.suffix == ".py" else None


@functools.cache
def is_source(module: str) -> bool:
    """Whether a module is source, and not a part of Python or of an installed distribution."""
    file = file_of(module)
    if file is None or {"site-packages", "dist-packages"} & set(file.parts):
        return False
    return not file.is_relative_to(STANDARD_LIBRARY)


def modules_of(*modules: str) -> list[str]:
    """Those of ``modules`` that are source, and all source that they import, sorted."""
    known: set[str] = set()
    waiting = [module for module in modules if is_source(module)]
    while waiting:
        module = waiting.pop()
        if module not in known:
            known.add(module)
            waiting.extend(imports_of(module))
    return sorted(known)


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """The source modules that a module imports, and the packages that they lie in."""
    if not is_source(module):
        return frozenset()
    imported: set[str] = set()
    for name in _tree(module).imports:
        target = name if file_of(name) else name.rpartition(".")[0]
        parts = target.split(".")
        packages = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        imported.update(package for package in packages if is_source(package))
    return frozenset(imported - {module})


@functools.cache
def digest(*modules: str) -> str:
    """First 16 hex digits of the SHA-256 of ``modules`` and of all source that they import, and of
    the versions of installed distributions that count (see above)."""
    total = hashlib.sha256()
    for module in modules_of(*modules):
        total.update(f"{module} {_tree(module).digest}\n".encode())
    for name, version in sorted(_installed(modules)):
        total.update(f"{name} {version}\n".encode())
    _cache.store()
    return total.hexdigest()[:16]


def look_in(folders: Iterable[str]) -> None:
    """Look for modules in ``folders`` first."""
    new = [str(Path(folder).resolve()) for folder in folders]
    if missing := [folder for folder in new if folder not in sys.path]:
        sys.path[:0] = missing
        clear()


def clear() -> None:
    """Forget what was read: files or the path have changed."""
    importlib.invalidate_caches()
    for cached in (is_source, imports_of, digest, _spec, _tree, _releases):
        cached.cache_clear()


def parse(text: str, module: str, is_package: bool) -> Tree:
    """The tree of the source ``text`` of a module; of what is no Python, the text itself."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # whoever imports it says so
        return Tree(_hashed(text), ())
    imports = sorted(set(_imports(tree, module, is_package)))
    for node in ast.walk(tree):
        _strip(node)
    return Tree(_hashed(ast.unparse(tree)), tuple(imports))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _strip(node: ast.AST) -> None:
    """Remove docstrings, of attributes too, and the ``description`` of a ``Field`` of pydantic.

    Statements that are only a text do nothing.
    """
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Field":
        node.keywords = [given for given in node.keywords if given.arg != "description"]
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        if isinstance(body, list):
            kept = [statement for statement in body if not _is_text(statement)]
            needed = body and not isinstance(node, ast.Module)  # a module may be empty
            setattr(node, name, kept or ([ast.Pass()] if needed else []))


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = node.level - 1 if is_package else node.level
            package = module.rsplit(".", above)[0] if above > 0 else module
            parts = (package if node.level else "", node.module)
            origin = ".".join(part for part in parts if part)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


class _Cache:
    """Trees by the hash of the content that they were read from, kept in a file."""

    def __init__(self) -> None:
        self.trees: dict[str, Tree] | None = None
        self.changed = False

    def tree(self, module: str, file: Path) -> Tree:
        content = file.read_bytes()
        package = file.name == "__init__.py"
        key = hashlib.sha256(f"{module} {package}\n".encode() + content).hexdigest()
        if self.trees is None:
            self.trees = self._stored()
        if key not in self.trees:
            self.trees[key] = parse(content.decode(), module, package)
            self.changed = True
        return self.trees[key]

    def store(self) -> None:
        if self.changed and _kept_here():
            write_json(TREES, self.trees)
            self.changed = False

    def _stored(self) -> dict[str, Tree]:
        try:
            stored = json.loads(TREES.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {key: Tree(digest, tuple(imports)) for key, (digest, imports) in stored.items()}


_cache = _Cache()


def _kept_here() -> bool:
    """Whether Snakemake works in this folder: others get no file of ours."""
    return TREES.parent.parent.is_dir()


@functools.cache
def _tree(module: str) -> Tree:
    """That of a module that is source."""
    file = file_of(module)
    assert file is not None
    return _cache.tree(module, file)


@functools.cache
def _spec(module: str) -> importlib.machinery.ModuleSpec | None:
    """Where a module lies, found without importing the packages that it lies in."""
    parent, _, _ = module.rpartition(".")
    if not parent:
        return _top(module)
    package = _spec(parent)
    folders = None if package is None else package.submodule_search_locations
    return importlib.machinery.PathFinder.find_spec(module, folders) if folders else None


def _top(module: str) -> importlib.machinery.ModuleSpec | None:
    if module == __package__:  # this one, whichever else the path holds
        location = ROOT / module / "__init__.py"
        return importlib.util.spec_from_file_location(module, location)
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _installed(modules: Iterable[str]) -> set[tuple[str, str]]:
    """Name and version of the distributions that ``modules`` are of, or that they import."""
    imported = {name for module in modules_of(*modules) for name in _tree(module).imports}
    others = {release for name in imported if (release := release_of(name)) is not None}
    own = {release for name in modules if (release := release_of(name)) is not None}
    return own | {release for release in others if canonical(release[0]) not in _required()}


def release_of(module: str) -> tuple[str, str] | None:
    """Name and version of the distribution that a module was installed by, if one was."""
    return _releases().get(module.partition(".")[0])


@functools.cache
def _releases() -> dict[str, tuple[str, str]]:
    """Those of all top-level modules; kept until something is installed."""
    folders = [Path(folder) for folder in sys.path if "-packages" in folder]
    times = [[str(folder), folder.stat().st_mtime_ns] for folder in folders if folder.is_dir()]
    kept = read_json(RELEASES) if RELEASES.exists() else {}
    if kept.get("times") != times:
        owners = importlib.metadata.packages_distributions()
        versions = {
            name: importlib.metadata.version(name) for name in {o[0] for o in owners.values()}
        }
        public = {name: version.partition("+")[0] for name, version in versions.items()}
        releases = {top: (names[0], public[names[0]]) for top, names in owners.items()}
        kept = {"times": times, "releases": releases}
        if _kept_here():
            write_json(RELEASES, kept)
    return {top: (name, version) for top, (name, version) in kept["releases"].items()}


@functools.cache
def _required() -> set[str]:
    """The distributions that this project needs in any case."""
    needed = importlib.metadata.requires(__package__) or []
    return {canonical(re.split(r"[^\w.-]", need)[0]) for need in needed if "extra ==" not in need}


def canonical(distribution: str) -> str:
    """The name of a distribution, as all its spellings are compared (PyPA, Name normalization)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def beside(module: str) -> list[str]:
    """Names of the modules that lie beside ``module``, or would if it were there."""
    spec = _spec(module.rpartition(".")[0]) if "." in module else None
    folders = [] if spec is None else spec.submodule_search_locations or []
    return [path.stem for folder in folders for path in Path(folder).glob("[a-z]*.py")]
