"""The rules of docs/architecture.md, kept by reading the source; nothing of it is imported here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
NAME = "energy_dissagregation_mlops"
PACKAGE = ROOT / "src" / NAME

Graph = Mapping[str, frozenset[str]]


# --- what the page says ------------------------------------------------------------------------------


def table(header: str) -> list[tuple[str, str]]:
    """The two columns of the table of docs/architecture.md that begins with this header."""
    rows = PAGE.read_text(encoding="utf-8").split(header)[1].split("\n\n")[0].strip().splitlines()[1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [(first, second) for first, second in cells]


def names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",")]


def row_of_each_room() -> dict[str, int]:
    return {room: int(row) for row, rooms in table("| row | rooms |") for room in names(rooms)}


# --- what the code says ------------------------------------------------------------------------------


@cache
def trees(package: Path = PACKAGE) -> dict[str, ast.Module]:
    """Every module's source by its name within the package: "training.loop", "cli"; "" is the top."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imported_names(module: str, tree: ast.Module, *, is_package: bool) -> Iterator[str]:
    """Dotted names of the package's own modules (or of things in them), lazy imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                here = [NAME, *module.split(".")] if module else [NAME]
                kept = here[: len(here) - node.level + is_package]
                origin = ".".join([*kept, *([node.module] if node.module else [])])
            found = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.removeprefix(f"{NAME}.") for name in found if name.startswith(f"{NAME}."))


def import_graph(modules: Mapping[str, ast.Module]) -> Graph:
    """Which module imports which."""

    def module_of(name: str) -> str:
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name

    packages = {name.rpartition(".")[0] for name in modules if name}
    graph = {}
    for module, tree in modules.items():
        found = {module_of(name) for name in imported_names(module, tree, is_package=module in packages)}
        graph[module] = frozenset(found - {module, ""})
    return graph


def room(module: str) -> str:
    return module.partition(".")[0]


def rooms_graph(graph: Graph) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {room(module): set() for module in graph}
    for module, imports in graph.items():
        found[room(module)] |= {room(name) for name in imports} - {room(module)}
    return found


def reached(start: str, graph: Mapping[str, Iterable[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph.get(waiting.pop(), ()):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def upward_imports(graph: Graph, rows: Mapping[str, int]) -> list[str]:
    """Imports from the same row or a higher one; of rooms without a row another test speaks."""
    pairs = [(module, name) for module, imports in graph.items() for name in sorted(imports)]
    return [
        f"{module} (row {rows[room(module)]}) imports {name} (row {rows[room(name)]})"
        for module, name in pairs
        if room(module) != room(name)
        and {room(module), room(name)} <= rows.keys()
        and rows[room(name)] >= rows[room(module)]
    ]


# --- the rules ---------------------------------------------------------------------------------------


def test_every_room_stands_in_a_row() -> None:
    rooms = {room(module) for module in trees() if module}
    assert rooms, f"no source found in {PACKAGE}"
    assert rooms - row_of_each_room().keys() == set(), f"give them a row in {PAGE.name}"


def test_a_module_imports_from_lower_rows_only() -> None:
    assert "\n".join(upward_imports(import_graph(trees()), row_of_each_room())) == ""


def test_the_package_itself_imports_no_room() -> None:
    assert import_graph(trees())[""] == frozenset()


def test_no_module_is_part_of_a_cycle() -> None:
    try:
        TopologicalSorter(import_graph(trees())).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize(("rooms", "forbidden"), table("| rooms | never reach |"))
def test_what_is_served_or_trains_never_reaches_raw_data(rooms: str, forbidden: str) -> None:
    graph = rooms_graph(import_graph(trees()))
    for name in names(rooms):
        assert reached(name, graph) & set(names(forbidden)) == set(), name


def test_no_room_is_named_after_nothing() -> None:
    parts = {part for module in trees() for part in module.split(".")}
    assert parts & {"util", "utils", "helper", "helpers", "common", "misc"} == set()


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call, by its dotted name with imported aliases spelled out."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield aliases.get(first, first) + dot + rest, node


def test_only_the_command_line_prints() -> None:
    printing = {module for module, tree in trees().items() for name, _ in calls(tree) if name == "print"}
    assert printing <= {"cli"}


RUNS_CODE = re.compile(
    r"(_?pickle|cPickle|cloudpickle|dill|joblib|shelve|marshal)\.(load|loads|open|Unpickler)"
    r"|(pandas|pd)\.(read_pickle|read_hdf|HDFStore)|yaml\.(load|load_all|unsafe_load|full_load)|eval|exec"
)


def keyword(call: ast.Call, name: str) -> str:
    return next((ast.unparse(item.value) for item in call.keywords if item.arg == name), "")


def code_loaders(tree: ast.Module) -> Iterator[str]:
    for name, call in calls(tree):
        unsafe_torch = name == "torch.load" and keyword(call, "weights_only") != "True"
        unsafe_numpy = name == "numpy.load" and keyword(call, "allow_pickle") not in ("", "False")
        if RUNS_CODE.fullmatch(name) or unsafe_torch or unsafe_numpy:
            yield f"line {call.lineno}: {ast.unparse(call)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("Unpickler" in ast.unparse(base) for base in node.bases):
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            if "find_class" not in methods:
                yield f"line {node.lineno}: {node.name} does not refuse classes"


def test_nothing_is_loaded_that_can_run_code() -> None:
    found = [f"{module} {loader}" for module, tree in trees().items() for loader in code_loaders(tree)]
    assert "\n".join(found) == ""


# --- what an import pulls in, in a process of its own ------------------------------------------------


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nsys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def exists(name: str) -> bool:
    return name in trees()


@pytest.mark.skipif(not exists("api"), reason="there is no api yet")
def test_importing_the_service_loads_nothing_heavy() -> None:
    heavy = {"torch", "h5py", "pandas", "pyarrow", "matplotlib"}
    assert modules_after(f"from {NAME}.api import app") & heavy == set()  # the whole application is made


@pytest.mark.skipif(not exists("cli"), reason="there is no command line yet")
def test_importing_the_command_line_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "h5py", "pandas", "pyarrow", "matplotlib", "onnxruntime", "httpx", "pydantic"}
    assert modules_after(f"import {NAME}.cli") & heavy == set()


# --- the rules can fail ------------------------------------------------------------------------------


def sources(**texts: str) -> dict[str, ast.Module]:
    return {name.replace("__", "."): ast.parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    "statement",
    [
        f"from {NAME} import training",
        f"from {NAME}.training import loop",
        f"import {NAME}.training.loop",
        "from . import training",
        "from .training import loop",
        f"def f():\n    import {NAME}.training",
    ],
)
def test_an_import_in_any_spelling_is_seen(statement: str) -> None:
    graph = import_graph(sources(store=statement, training="", training__loop=""))
    assert upward_imports(graph, {"store": 4, "training": 5})


def test_a_relative_import_inside_a_package_is_seen() -> None:
    modules = sources(training="from .loop import run", training__loop="from ..store import x", store="")
    graph = import_graph(modules)
    assert graph["training"] == {"training.loop"}
    assert graph["training.loop"] == {"store"}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(b'')",
        "from pickle import load as l\nl(f)",
        "import pickle as p\np.Unpickler(f)",
        "import pickle\nclass Open(pickle.Unpickler): pass",
        "import torch\ntorch.load(p)",
        "import torch as t\nt.load(p, weights_only=False)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "import yaml\nyaml.load(f, yaml.Loader)",
        "import pandas as pd\npd.read_pickle(p)",
    ],
)
def test_a_loader_that_can_run_code_is_seen(source: str) -> None:
    assert list(code_loaders(ast.parse(source)))


def test_the_safe_loaders_are_let_through() -> None:
    source = (
        "import torch, yaml, numpy as np\ntorch.load(p, weights_only=True)\nyaml.safe_load(f)\nnp.load(p)"
    )
    assert not list(code_loaders(ast.parse(source)))
