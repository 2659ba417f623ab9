"""The suite of a config: checked before any job starts, expanded to runs.

Structure and ranges are the schema's (``workflow/schemas``); the arguments of a method or a data
set are those of its own ``build`` or ``prepare``, read from the source as text, so that checking
imports neither torch nor the class. A list among ``model`` or ``train`` is a grid: one variant of
the method for each value, named after it if there are several. (For an argument that is itself a
list, write a list of lists; in ``per_dataset``, where nothing is a grid, the list.) What
``per_dataset`` says of data sets that the suite does not have is ignored if it lies in a file.
"""

import ast
import difflib
import importlib.util
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from benchmark.data.fetch import catalogue
from benchmark.names import module_of
from benchmark.records.records import config_hash
from benchmark.records.run import Run
from benchmark.source import ROOT, file_of
from benchmark.suite import published

NAME = "[A-Za-z0-9_]+(-[A-Za-z0-9_]+)?"
"""Of a method: that of its rules and, of a variant of it, a hyphen and what sets it apart."""
BYTE = 256
"""Grey levels of the images that Inception was trained on."""

FILES = ("source", "file")
"""Keys of a data set that say of which files it is made; ``prepare`` gets them beside numbers."""
IMAGES = ("grid", "frames", "frame_grid")
"""Keys of ``evaluation`` on which only figures depend."""
RULES = ROOT / "workflow" / "rules"


class ConfigError(ValueError):
    """Something in a config file that is not allowed; the message lists all of it."""

    def __init__(self, file: str, problems: Iterable[str]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


@dataclass(frozen=True)
class Suite:
    """A checked suite: its sections, grids expanded, and its runs in order.

    ``threads`` are those of a job; ``search`` is the search of learning rates, ``None`` without.
    """

    name: str
    validation: dict[str, float]
    evaluation: dict[str, Any]
    datasets: dict[str, dict[str, Any]]
    methods: dict[str, dict[str, Any]]
    runs: tuple[Run, ...]
    threads: int = 1
    search: dict[str, Any] | None = None

    def numbers(self, run: Run) -> dict[str, Any]:
        """``class, model, train`` of one run, with what differs on its data set; else nothing."""
        method, dataset = self.methods[run.method], self.datasets[run.dataset]
        return _ordered(_merged(method, run.dataset, dataset.get("budget")))

    def is_trained(self, run: Run) -> bool:
        """Whether a run is a training of this library, and no closed form."""
        return self.is_ours(run.method) and self.numbers(run)["train"].get("steps") != 0

    def is_searched(self, run: Run) -> bool:
        """Whether the learning rate of a run is searched."""
        return self.search is not None and self.is_trained(run)

    def is_ours(self, method: str) -> bool:
        """Whether a method is a class of this library: other programs bring their own rules."""
        return "class" in self.methods[method]

    def is_flow(self, method: str) -> bool:
        """Whether a method is a flow of this library, which has a path from base to data."""
        known = self.methods[method].get("class")
        return known is not None and "ClosedForm" not in _declared(known).bases

    def has_diagnostics(self, method: str) -> bool:
        """Whether the class of a method records diagnostics along its training."""
        known = self.methods[method].get("class")
        return known is not None and "diagnostics" in _declared(known).functions

    def has_base(self, dataset: str) -> bool:
        """Whether a data set has rows of its base, whose density is then not known."""
        return "base" in self.datasets[dataset]

    def run_hash(self, run: Run) -> str:
        """Identifies everything in the config that the records of ``run`` depend on."""
        return config_hash({"fit": self.train_hash(run), "evaluation": self.measured()})

    def train_hash(self, run: Run) -> str:
        """Identifies everything in the config that the fit of ``run`` depends on."""
        fit = {"data": self.prepared(run.dataset), "validation": self.validation}
        searched = {"search": self.search} if self.is_searched(run) else {}
        return config_hash({**fit, **searched, "threads": self.threads, **self.numbers(run)})

    def quality(self, dataset: str) -> dict[str, Any] | None:
        """How images of a data set are compared by their features; ``None`` if they are not."""
        given = self.datasets[dataset].get("features")
        if given is None:
            return None
        name = "inception" if "inception" in given else f"{dataset}_cnn"
        return _ordered({**given, "name": name, "chunk": self.evaluation["chunk"]})

    @property
    def images(self) -> list[str]:
        """The data sets whose images are compared by their features."""
        return [name for name, entry in self.datasets.items() if "features" in entry]

    def distances(self, dataset: str) -> tuple[str, str]:
        """What the Fréchet and the kernel distance of the images of a data set are called."""
        name = (self.quality(dataset) or {"name": ""})["name"]
        return ("fid", "kid") if name == "inception" else (f"fd_{name}", f"kd_{name}")

    def quality_hash(self, run: Run) -> str:
        """Identifies everything in the config that the distances of the images of ``run`` need."""
        return config_hash({"fit": self.train_hash(run), "features": self.quality(run.dataset)})

    def prepared(self, dataset: str) -> dict[str, Any]:
        """What the rows of a data set depend on."""
        entry = self.datasets[dataset]
        given: dict[str, Any] = {
            key: entry[key]
            for key in ("class", "source", "file", "numbers", "held_out", "base")
            if key in entry
        }
        return _ordered(given)

    def measured(self) -> dict[str, Any]:
        """What the records of a fit depend on."""
        return _ordered({k: value for k, value in self.evaluation.items() if k not in IMAGES})

    @property
    def terms(self) -> str:
        """On which terms methods meet, for captions; empty where each has a budget of its own."""
        budgets = {
            x["label"]: _budget(x["budget"]) for x in self.datasets.values() if "budget" in x
        }
        words = [
            f"{budget} on {', '.join(name for name, found in budgets.items() if found == budget)}"
            for budget in dict.fromkeys(budgets.values())
        ]
        plural = "s" if self.threads > 1 else ""
        terms = f"One budget for every method: {'; '.join(words)} ({self.threads} thread{plural})."
        found = [terms] if budgets else []
        if self.search is not None:
            factors = ", ".join(f"{factor:g}" for factor in self.search["factors"])
            found.append(
                f"Learning rates by the same search: {factors} times the method's own, each with "
                f"{self.search['share']:.0%} of the budget, chosen on validation rows."
            )
        return " ".join(found)

    @property
    def published(self) -> dict[str, dict[str, Any]]:
        """What is said of published results, of the data sets that stand beside some."""
        found = ((name, entry.get("published")) for name, entry in self.datasets.items())
        return {name: said for name, said in found if said is not None}

    def event(self, dataset: str) -> tuple[int, ...] | None:
        """Shape of a row of a data set; ``None`` if only its file tells."""
        return _declared(self.datasets[dataset]["class"]).attributes.get("event")

    @property
    def rules(self) -> dict[str, str]:
        """File of the Snakemake rules of each method, relative to ``workflow``."""
        return {name: f"rules/{_rules(name)}" for name in self.methods}

    def __str__(self) -> str:
        counts = Counter(run.method for run in self.runs)
        methods = ", ".join(f"{name} {count}" for name, count in counts.items())
        return (
            f"suite {self.name}: {len(self.runs)} runs on {len(self.datasets)} data sets "
            f"({', '.join(self.datasets)}) by {len(counts)} methods ({methods})"
        )


def _budget(budget: dict[str, Any]) -> str:
    (unit, amount), *_ = budget.items()
    return f"{amount:g} s of training" if unit == "seconds" else f"{amount:,} steps"


def _ordered(section: dict[str, Any]) -> dict[str, Any]:
    """Keys sorted throughout, so that their order in a file means nothing to Snakemake."""
    return {
        key: _ordered(value) if isinstance(value, dict) else value
        for key, value in sorted(section.items())
    }


def load(config: dict[str, Any], schema_file: str | Path, file: str = "config.yaml") -> Suite:
    """The suite that ``config`` names. Raises ``ConfigError`` with every problem found."""
    schema = yaml.safe_load(Path(schema_file).read_text())
    _refuse(file, _schema_problems(schema, config, ""))
    if config["suite"] not in config["suites"]:
        _refuse(file, [unknown("suite", config["suite"], config["suites"])])
    file, key, suite = _resolve(config, file)
    _refuse(file, _section_problems(suite, key))
    methods = {
        name: _with_file(method, suite["datasets"], schema, file, f"{key}methods.{name}")
        for name, method in suite["methods"].items()
    }
    _refuse(file, _grid_problems(methods, key))
    suite = {**suite, "methods": dict(_expanded(methods))}
    definition = {"$ref": "#/$defs/suite", "$defs": schema["$defs"]}
    _refuse(file, _schema_problems(definition, suite, key))
    _refuse(file, _reference_problems(suite, key))
    _refuse(file, _budget_problems(suite, key))
    _refuse(file, _merged_train_problems(schema, suite, key))
    _refuse(file, _class_problems(suite, key))
    _refuse(file, _base_problems(suite, key))
    _refuse(file, _published_problems(suite, key))
    _refuse(file, _feature_problems(suite, key))
    _refuse(file, _pair_problems(suite, key))
    return Suite(
        name=config["suite"],
        threads=suite.get("threads", 1),
        search=_ordered(suite["search"]) if "search" in suite else None,
        validation=_ordered(suite["validation"]),
        evaluation=_ordered(suite["evaluation"]),
        datasets=suite["datasets"],
        methods=suite["methods"],
        runs=tuple(_runs(config["suite"], suite)),
    )


def datasets(config: dict[str, Any], name: str, file: str = "config.yaml") -> list[str]:
    """Names of the data sets of a suite of ``config``, before anything of it is checked."""
    _, _, suite = _resolve({**config, "suite": name}, file)
    found = suite.get("datasets")
    return list(found) if isinstance(found, dict) else []


def _refuse(file: str, problems: Iterable[str]) -> None:
    if found := list(problems):
        raise ConfigError(file, found)


def _resolve(config: dict[str, Any], file: str) -> tuple[str, str, dict[str, Any]]:
    """File, key prefix and content of the suite, which may lie in a file of its own."""
    name = config["suite"]
    suite = config["suites"][name]
    if isinstance(suite, dict):
        return file, f"suites.{name}.", suite
    content = _content(suite, file, f"suites.{name}")
    return suite, "", content


def _content(path: str, file: str, key: str) -> dict[str, Any]:
    """What the YAML file ``path`` holds, which ``key`` of ``file`` names."""
    if not Path(path).is_file():
        _refuse(file, [f"{key} is {path!r}; no such file. Name a YAML file or write it here."])
    try:
        content = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise ConfigError(path, [f"is no YAML: {error}"]) from error
    if not isinstance(content, dict):
        _refuse(path, [f"found no mapping; allowed is what {key} of {file} may hold."])
    return content


# --- the structure, by the schema -----------------------------------------------------------------


def _schema_problems(schema: dict[str, Any], content: Any, prefix: str) -> Iterator[str]:
    for error in Draft202012Validator(schema).iter_errors(content):
        key = prefix + ".".join(str(part) for part in error.absolute_path)
        yield from _in_words(error, key.rstrip(".") or "(top level)")


def _in_words(error: ValidationError, key: str) -> Iterator[str]:
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        allowed = schema["properties"]
        for found in sorted(set(instance) - set(allowed)):
            yield unknown(f"{key}: key", found, allowed)
    elif error.validator == "required":
        missing = error.message.split("'")[1]
        meaning = schema.get("properties", {}).get(missing, {}).get("description", "")
        yield f"{key}: the key {missing!r} is missing" + (f" ({meaning})." if meaning else ".")
    else:
        meaning = schema.get("description")
        hint = _number_hint(instance) if error.validator == "type" else ""
        yield f"{key}: {error.message}" + (f" ({meaning})" if meaning else "") + f".{hint}"


def _number_hint(value: Any) -> str:
    try:
        return f" YAML reads it as text: write {float(value)!r}." if isinstance(value, str) else ""
    except ValueError:
        return ""


def unknown(what: str, found: str, allowed: Iterable[str]) -> str:
    """That ``found`` is not among what is allowed, with the nearest that is."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(found), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{what} {found!r} is unknown; allowed: {', '.join(names) or 'none'}.{hint}"


# --- grids and data sets of a method --------------------------------------------------------------


def _section_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    """What has to hold before anything is made of the methods."""
    for part in ("datasets", "methods"):
        if not isinstance(suite.get(part), dict):
            found = suite.get(part)
            yield f"{key}{part}: found {found!r}; allowed is a mapping of name to {part[:-1]}."
            return
    for name, method in suite["methods"].items():
        if not isinstance(method, dict):
            yield f"{key}methods.{name}: found {method!r}; allowed is a mapping."
            continue
        if not re.fullmatch(NAME, str(name)):
            yield (
                f"{key}methods.{name}: allowed in a name are letters, digits and _, "
                f"and one - before what sets a variant apart (interpolant-fourier)."
            )
        elif not (RULES / _rules(name)).is_file():
            yield (
                f"{key}methods.{name}: there is no file workflow/rules/{_rules(name)}; write it: "
                f"five lines like those of ffjord.smk, or a rule of your own. "
                f"(A variant of a method is named <method>-<variant>.)"
            )
        sections = [method.get(part, {}) for part in ("model", "train")]
        differs = method.get("per_dataset", {})
        if not all(isinstance(section, dict) for section in sections):
            yield f"{key}methods.{name}: its model and train are mappings."
        if not isinstance(differs, dict | str):
            yield (
                f"{key}methods.{name}.per_dataset: found {differs!r}; allowed is a mapping of data "
                f"set to numbers, or the path of a YAML file that holds it."
            )


def _rules(method: str) -> str:
    """File of the rules of a method, which its variants share."""
    return f"{method.partition('-')[0]}.smk"


def _with_file(
    method: dict[str, Any], datasets: dict[str, Any], schema: dict[str, Any], file: str, key: str
) -> dict[str, Any]:
    """The method, its ``per_dataset`` read for these data sets if it is the path of a file."""
    path = method.get("per_dataset")
    if not isinstance(path, str):
        return method
    content = _content(path, file, f"{key}.per_dataset")
    definition = {"$ref": "#/$defs/per_dataset", "$defs": schema["$defs"]}
    _refuse(path, _schema_problems(definition, content, ""))
    return {**method, "per_dataset": {name: content[name] for name in datasets if name in content}}


def _grid_problems(methods: dict[str, Any], key: str) -> Iterator[str]:
    for name, method in methods.items():
        yield from _axis_problems(method, f"{key}methods.{name}")


def _axis_problems(method: dict[str, Any], where: str) -> Iterator[str]:
    for part, axis in _axes(method):
        if not method[part][axis]:
            yield f"{where}.{part}.{axis}: found an empty list; a grid needs at least one value."
        for dataset, differs in method.get("per_dataset", {}).items():
            replaced = axis in ((differs or {}).get(part) or {})
            if replaced and len(method[part][axis]) > 1:
                yield (
                    f"{where}.{part}.{axis}: a grid, but per_dataset.{dataset}.{part}.{axis} would "
                    f"replace all of its values. Remove one of the two."
                )


def _axes(method: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (part, key)
        for part in ("model", "train")
        for key, values in method.get(part, {}).items()
        if isinstance(values, list)
    ]


def _expanded(methods: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, method in methods.items():
        axes = {(part, key): method[part][key] for part, key in _axes(method)}
        for point in itertools.product(*axes.values()):
            chosen = dict(zip(axes, point, strict=True))
            several = {key: chosen[part, key] for part, key in axes if len(axes[part, key]) > 1}
            suffix = "".join(f"-{key}={_in_name(value)}" for key, value in several.items())
            label = str(method.get("label")) + suffix.replace("-", " ")
            sections = {
                part: {**method[part], **{k: v for (p, k), v in chosen.items() if p == part}}
                for part in ("model", "train")
                if part in method
            }
            yield name + suffix, {**method, **({"label": label} if suffix else {}), **sections}


def _in_name(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={value}" for key, value in sorted(value.items()))
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def _merged(
    method: dict[str, Any], dataset: str, budget: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The numbers of a method on a data set, which may have a budget for all that is trained."""
    if "class" not in method:
        return {}
    differs = method.get("per_dataset", {}).get(dataset, {})
    train = {**method["train"], **differs.get("train", {})}
    return {
        "class": method["class"],
        "model": {**method["model"], **differs.get("model", {})},
        "train": train if train.get("steps") == 0 else {**train, **(budget or {})},
    }


def _runs(name: str, suite: dict[str, Any]) -> Iterator[Run]:
    for dataset in suite["datasets"]:
        for method, entry in suite["methods"].items():
            if dataset in entry.get("datasets", suite["datasets"]):
                for seed in entry.get("seeds", suite["seeds"]):
                    yield Run(name, dataset, method, seed)


def _reference_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    for name, method in suite["methods"].items():
        for part in ("datasets", "per_dataset"):
            for dataset in method.get(part, ()):
                if dataset not in suite["datasets"]:
                    yield unknown(f"{key}methods.{name}.{part}:", dataset, suite["datasets"])
    for where, entry in _made_from(suite, key):
        if "source" in entry and entry["source"] not in catalogue():
            yield unknown(f"{where}.source:", entry["source"], catalogue())
        if "file" in entry and not Path(entry["file"]).is_file():
            yield (
                f"{where}.file is {entry['file']!r}; no such file. Paths start in the folder in "
                f"which Snakemake runs."
            )


def _made_from(suite: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every data set and, where it is given, the data set of its base, each with its key."""
    for name, dataset in suite["datasets"].items():
        yield f"{key}datasets.{name}", dataset
        if "base" in dataset:
            yield f"{key}datasets.{name}.base", dataset["base"]


def _budget_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    """A training has one budget: its method's own, or that of the data set for all methods."""
    pairs = {(run.dataset, run.method) for run in _runs("", suite)}
    for dataset, method in sorted(pairs):
        entry = suite["methods"][method]
        if "class" not in entry:
            continue
        where = f"{key}methods.{method}.train on {dataset}"
        train, common = _merged(entry, dataset)["train"], suite["datasets"][dataset].get("budget")
        own = {name: train[name] for name in ("steps", "seconds") if name in train}
        if len(own) > 1:
            yield f"{where}: found {own}; allowed is one of steps and seconds."
        elif own and common and train.get("steps") != 0:
            yield (
                f"{where}: has a budget of its own, {own}, and {key}datasets.{dataset} has one for "
                f"all methods, {common}. Remove one of the two."
            )
        elif not own and not common:
            yield (
                f"{where}: no budget. Write steps or seconds, or a budget for all methods at "
                f"{key}datasets.{dataset}.budget."
            )
        if "search" in suite and "base" in suite["datasets"][dataset] and own.get("steps") != 0:
            yield (
                f"{key}search: chooses by the likelihood, which {dataset} has not, as its base is "
                f"known by samples only. Leave one of the two out."
            )


def _merged_train_problems(
    schema: dict[str, Any], suite: dict[str, Any], key: str
) -> Iterator[str]:
    definition = {"$ref": "#/$defs/train", "$defs": schema["$defs"]}
    for name, method in suite["methods"].items():
        for dataset in method.get("per_dataset", ()) if "class" in method else ():
            prefix = f"{key}methods.{name}.per_dataset.{dataset}.train."
            yield from _schema_problems(definition, _merged(method, dataset)["train"], prefix)


# --- classes and their arguments, from the source -------------------------------------------------


@dataclass(frozen=True)
class _Declared:
    """What the source of a class says of it, and of those of its bases that are in its module:
    arguments of its maker, literal attributes, the names of its bases and of its functions."""

    arguments: dict[str, str]
    optional: frozenset[str]
    attributes: dict[str, Any]
    bases: tuple[str, ...]
    functions: frozenset[str]


@cache
def _declared(name: str, maker: str | None = None) -> _Declared:
    """Raises ``LookupError`` in words where there is no such class, or it has no ``maker``."""
    module, _, class_name = name.rpartition(".")
    classes = {node.name: node for node in _tree(module).body if isinstance(node, ast.ClassDef)}
    if class_name not in classes:
        raise LookupError(unknown(f"class {module}:", class_name, classes))
    lineage = [*_lineage(class_name, classes)][::-1]
    body = [node for ancestor in lineage for node in ancestor.body]
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    makers = [functions[name] for name in ("build", "prepare") if name in functions]
    if maker and maker not in functions:
        raise LookupError(f"class {name!r} has no function {maker!r} of its own.")
    given = [argument for m in makers for argument in (*m.args.args, *m.args.kwonlyargs)]
    arguments = {a.arg: ast.unparse(a.annotation) for a in given if a.annotation}
    optional = {
        a.arg for m in makers for a in m.args.args[len(m.args.args) - len(m.args.defaults) :]
    }
    bases = tuple(name for ancestor in lineage for name in _base_names(ancestor))
    return _Declared(
        arguments, frozenset(optional), dict(_literals(body)), bases, frozenset(functions)
    )


def _lineage(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """A class and those of its bases that are among ``classes``, each before its own."""
    yield classes[name]
    for base in _base_names(classes[name]):
        if base in classes:
            yield from _lineage(base, classes)


def _base_names(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).rpartition(".")[2] for base in node.bases]


def _tree(module: str) -> ast.Module:
    path = file_of(module)
    if path is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        path = Path(spec.origin) if spec and spec.origin else None
    if path is None or not path.is_file():
        raise LookupError(f"there is no module {module!r}.{_near_module(module)}")
    return ast.parse(path.read_text(), str(path))


def _near_module(module: str) -> str:
    parent, _, name = module.rpartition(".")
    folder = file_of(parent)
    names = [path.stem for path in folder.parent.glob("[a-z]*.py")] if folder else []
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {parent}.{near[0]}?" if near else ""


def _literals(body: Iterable[ast.stmt]) -> Iterator[tuple[str, Any]]:
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                yield node.targets[0].id, ast.literal_eval(node.value)
            except ValueError:
                continue


def _class_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    for where, entry in _made_from(suite, key):
        given = {**entry["numbers"], **{key: "." for key in FILES if key in entry}}
        yield from _argument_problems(entry["class"], "prepare", given, where)
    for name, method in _ours(suite):
        yield from _import_problems(method["class"], f"{key}methods.{name}")
        for dataset in ("", *method.get("per_dataset", {})):
            where = f"{key}methods.{name}" + (f".per_dataset.{dataset}" if dataset else "")
            merged = _merged(method, dataset)
            yield from _argument_problems(merged["class"], "build", merged["model"], where)
            yield from _steps_problems(merged, where)


def _import_problems(name: str, where: str) -> Iterator[str]:
    """What the module of a class imports at its top and is not installed, found without import."""
    try:
        body = _tree(module_of(name)).body
    except LookupError:
        return  # _argument_problems says it
    imported = [a.name for node in body if isinstance(node, ast.Import) for a in node.names]
    imported += [n.module for n in body if isinstance(n, ast.ImportFrom) and n.module]
    for package in sorted({module.partition(".")[0] for module in imported}):
        if importlib.util.find_spec(package) is None:
            yield (
                f"{where}.class: {name} imports {package!r}, which is not installed. For the "
                f"optional methods: pip install --constraint constraints.txt --editable '.[extras]'"
            )


def _argument_problems(name: str, maker: str, given: dict[str, Any], where: str) -> Iterator[str]:
    section = {"build": "model", "prepare": "numbers"}[maker]
    try:
        declared = _declared(name, maker)
    except LookupError as missing:
        yield f"{where}.class: {missing.args[0]}"
        return
    supplied = {"event", *_requires(declared), "base_rows"}
    allowed = {a: t for a, t in declared.arguments.items() if a not in supplied}
    for argument in sorted(set(allowed) - set(given) - declared.optional):
        need = f"key {argument!r}" if argument in FILES else f"{section}.{argument}"
        yield f"{where}: {need} is missing; {name}.{maker} needs it ({allowed[argument]})."
    for argument, value in given.items():
        if argument not in allowed:
            yield unknown(f"{where}.{section}: key", argument, set(allowed) - set(FILES))
        elif problem := _type_problem(allowed[argument], value):
            yield f"{where}.{section}.{argument} is {value!r}; {problem}"


def _steps_problems(merged: dict[str, Any], where: str) -> Iterator[str]:
    try:
        declared = _declared(merged["class"])
    except LookupError:
        return  # said already
    trained = declared.attributes.get("trained", "ClosedForm" not in declared.bases)
    steps = merged["train"].get("steps")
    if not trained and steps != 0:
        yield f"{where}.train.steps is {steps}; allowed is 0: {merged['class']} is not trained."
    if trained and steps == 0:
        yield f"{where}.train.steps is 0; allowed is at least 1: {merged['class']} is trained."


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _column(value: Any) -> bool:
    return isinstance(value, str) or _whole(value)


def _is_one(shares: list[float]) -> bool:
    return abs(sum(shares) - 1) < 1e-9


TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "PositiveInt": ("a whole number of at least 1", lambda v: _whole(v) and v >= 1),
    "NonNegativeInt": ("a whole number of at least 0", lambda v: _whole(v) and v >= 0),
    "int": ("a whole number", _whole),
    "PositiveFloat": ("a number above 0", _positive),
    "float": ("a number", _number),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "str": ("text", lambda v: isinstance(v, str)),
    "Positives": (
        "a list of whole numbers of at least 1 (in model, where a list is a grid, a list of lists)",
        lambda v: isinstance(v, list) and all(_whole(number) and number >= 1 for number in v),
    ),
    "Columns": (
        "a list of names or of whole numbers",
        lambda v: isinstance(v, list) and bool(v) and all(_column(name) for name in v),
    ),
    "Steps": (
        "a mapping of columns to numbers above 0, {} for none",
        lambda v: isinstance(v, dict) and all(_column(k) and _positive(v[k]) for k in v),
    ),
    "Shares": (
        "three numbers above 0 that add up to 1 (training, validation, test)",
        lambda v: isinstance(v, list) and len(v) == 3 and all(map(_positive, v)) and _is_one(v),
    ),
}
"""Annotation -> (in words, check). Other annotations are for the class itself to check."""


def _type_problem(annotation: str, value: Any) -> str | None:
    if annotation.endswith(" | None"):
        kind = annotation.removesuffix(" | None")
        return None if value is None else _type_problem(kind, value)
    if annotation.startswith("Literal["):
        choices = ast.literal_eval(annotation.removeprefix("Literal"))
        return None if value in choices else unknown("value", value, map(str, choices))
    words, check = TYPES.get(annotation, ("", lambda _: True))
    return None if check(value) else f"allowed is {words}.{_number_hint(value)}"


def _requires(declared: _Declared) -> tuple[str, ...]:
    return tuple(declared.attributes.get("requires", ()))


def _base_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    """Rows of the base have to be like those of the data."""
    for name, dataset in suite["datasets"].items():
        if "base" in dataset:
            base, data = _declared(dataset["base"]["class"]), _declared(dataset["class"])
            for attribute in ("event", "levels"):
                found, needed = base.attributes.get(attribute), data.attributes.get(attribute)
                if found != needed:
                    yield (
                        f"{key}datasets.{name}.base: the {attribute} of {dataset['base']['class']} "
                        f"is {found}; allowed is {needed}, that of {dataset['class']}."
                    )


def _published_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    """Published numbers have to be of a data set that is known, in the unit of ours."""
    for name, dataset in suite["datasets"].items():
        if "published" not in dataset:
            continue
        where, given = f"{key}datasets.{name}.published.as", dataset["published"]["as"]
        if given not in published.results("nll"):
            yield unknown(f"{where}:", given, published.results("nll"))
            continue
        found = {value.unit for value in published.results("nll")[given].values()}
        unit = "nats" if _attributes(suite, name).get("levels") is None else "bits/dim"
        if found != {unit}:
            yield (
                f"{where} is {given!r}, in {', '.join(sorted(found))}; allowed is a data set in "
                f"{unit}, as is that of {dataset['class']}."
            )


def _feature_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    """Only integers that are looked at as images have features, Inception's if they are bytes."""
    for name, dataset in suite["datasets"].items():
        attributes = _attributes(suite, name)
        levels = attributes.get("levels")
        if "inception" in dataset.get("features", {}) and levels and levels != BYTE:
            yield (
                f"{key}datasets.{name}.features.inception: it takes images of {BYTE} grey levels; "
                f"{dataset['class']} has {levels}. Use a classifier."
            )
        if "features" in dataset and not (attributes.get("picture") and levels):
            yield (
                f"{key}datasets.{name}.features: {dataset['class']} has no images of integers "
                f"(its 'picture' and 'levels'). Remove the key."
            )


def _pair_problems(suite: dict[str, Any], key: str) -> Iterator[str]:
    for run in {(run.dataset, run.method): run for run in _runs("", suite)}.values():
        dataset = _attributes(suite, run.dataset)
        for need in _needs(suite["methods"][run.method]):
            if not NEEDS[need][1](dataset):
                able = [d for d in suite["datasets"] if NEEDS[need][1](_attributes(suite, d))]
                yield (
                    f"{key}methods.{run.method}: cannot run on {run.dataset}: it needs "
                    f"{NEEDS[need][0]}. Set its 'datasets' to some of: {', '.join(able) or 'none'}."
                )


def _ours(suite: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, method) for name, method in suite["methods"].items() if "class" in method)


def _needs(method: dict[str, Any]) -> tuple[str, ...]:
    if "class" not in method:
        return ()
    declared = _declared(method["class"])
    accepts = declared.attributes.get("accepts", ())
    return (*_requires(declared), *(("normal base",) if "base" not in accepts else ()))


def _attributes(suite: dict[str, Any], dataset: str) -> dict[str, Any]:
    entry = suite["datasets"][dataset]
    return {**_declared(entry["class"]).attributes, "base": entry.get("base")}


NEEDS: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "density": ("a data set whose density is known", lambda d: d.get("density") is not None),
    "vectors": (
        "vectors (events of one axis)",
        lambda d: d.get("event") is None or len(d["event"]) == 1,
    ),
    "images": ("images (events of three axes)", lambda d: len(d.get("event") or ()) == 3),
    "plane": (
        "points of the plane (events of shape (2,))",
        lambda d: d.get("event") in (None, (2,)),
    ),
    "normal base": (
        "a data set without 'base', as it does not accept rows of the base",
        lambda d: d.get("base") is None,
    ),
}
"""What ``Method.requires`` may name, or what a method does not accept -> (in words, whether a data
set has it)."""
