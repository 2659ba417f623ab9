"""The project's own source as data: which files a module depends on, and their hash.

Snakemake does not track code in imported packages. Rules list ``files_of`` a module among
their inputs, so that an edit reruns exactly what depends on it; records carry ``digest``.
Nothing is imported to find this out: the files are read as text, in milliseconds.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def file_of(module: str) -> Path | None:
    """Source file of a module of this project, or None for any other module."""
    path = ROOT.joinpath(*module.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


@cache
def imports_of(module: str) -> frozenset[str]:
    """Modules of this project that ``module`` names in an import statement."""
    path = file_of(module)
    if path is None:
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.rsplit(".", node.level)[0] if node.level else ""
            origin = ".".join(part for part in (package, node.module) if part)
            members = {f"{origin}.{alias.name}" for alias in node.names}
            submodules = {member for member in members if file_of(member)}
            names.update(submodules if submodules == members else submodules | {origin})
    return frozenset(name for name in names if file_of(name))


def modules_of(*modules: str) -> list[str]:
    """``modules`` and every module of this project they import, directly or not, sorted."""
    found: set[str] = set()
    waiting = [module for module in modules if file_of(module)]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(imports_of(module))
    return sorted(found)


def files_of(*modules: str) -> list[str]:
    """Source files of ``modules_of``, relative to the project's root."""
    paths = (file_of(module) for module in modules_of(*modules))
    return [str(path.relative_to(ROOT)) for path in paths if path]


def digest(paths: Iterable[str | Path]) -> str:
    """First 16 hex digits of the SHA-256 of the files' contents, in sorted order of path."""
    total = hashlib.sha256()
    for path in sorted(ROOT / path for path in paths):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]
