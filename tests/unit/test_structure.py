"""The shape of the package: who imports whom, how large modules are, what is public."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import networkx
import pytest
import simcore
from simcore.cli.main import COMMANDS

ROOT = Path(simcore.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def at_module_level(tree):
    """Nodes that run on import: no function bodies, no `if TYPE_CHECKING`."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            if not isinstance(child, ast.FunctionDef | ast.Lambda) and not typing_only:
                stack.append(child)


def imported(nodes):
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            assert node.level == 0, "relative imports hide where a name lives"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else str(node.module))
    return found


IMPORTS = {name: imported(ast.walk(tree)) for name, tree in MODULES.items()}
LOADS = {name: imported(at_module_level(tree)) for name, tree in MODULES.items()}


def below(name, *packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def offenders(inside, forbidden, imports=IMPORTS):
    return {(m, i) for m, found in imports.items() if below(m, *inside) for i in found if below(i, *forbidden)}


# what a part of the package may import, beside itself and `simcore._lazy`
MAY_IMPORT = {
    "simcore.errors": [],
    "simcore.numerals": ["errors"],
    "simcore.documents": ["documents", "errors", "numerals"],
    "simcore.units": ["errors", "numerals"],
    "simcore.plugins": ["errors"],
    "simcore.outputs": ["errors"],
    "simcore.piping": ["outputs"],
    "simcore.files": ["documents", "errors", "numerals", "piping", "progress"],
    "simcore.engine": [],
    "simcore.report": [],
    "simcore.progress": [],
    "simcore.plots": ["errors"],
    "simcore.cells": ["errors"],
    "simcore.results": ["_version", "cells", "errors", "files", "outputs", "plots", "report"],
    "simcore.loading": ["cells", "errors", "outputs", "report", "results"],
    "simcore.models": ["engine", "errors", "models", "numerals", "plugins", "progress", "units"],
    "simcore.readers": [
        "documents", "errors", "files", "models", "numerals", "outputs", "piping", "progress", "readers", "units",
    ],
    "simcore.traces": ["errors", "files", "models", "numerals", "outputs", "piping", "readers", "traces", "units"],
    "simcore.timeline": ["errors", "files", "models", "outputs", "results", "timeline"],
    "simcore.calibrate": ["calibrate", "errors", "models", "outputs", "progress", "readers", "units"],
    "simcore.real": ["calibrate", "errors", "models", "plugins", "real"],
    "simcore.studies": [
        "_version", "calibrate", "documents", "engine", "errors", "files", "models", "numerals", "outputs", "piping",
        "plots", "plugins", "progress", "readers", "real", "report", "results", "studies", "timeline", "traces",
        "units",
    ],
}  # fmt: skip


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_data_flows_one_way(part):
    allowed = [part, "simcore._lazy", *(f"simcore.{name}" for name in MAY_IMPORT[part])]
    inside = {(m, i) for m, found in IMPORTS.items() if below(m, part) for i in found if below(i, "simcore")}
    assert {(m, i) for m, i in inside if not below(i, *allowed)} == set()


def test_models_know_no_file_format_and_no_console():
    assert offenders(["simcore.models"], ["pydantic", "yaml", "torch", "rich", "click"]) == set()


def test_a_study_knows_no_other_study():
    studies = {below_studies(m) for m in MODULES} - {None}
    shared = {f"simcore.studies.{name}" for name in ("buffers", "deployment", "inputs", "parallel", "request")}
    for study in studies - shared:
        others = [each for each in studies - shared if each != study]
        assert offenders([study], others) == set()


def below_studies(name):
    parts = name.split(".")
    return ".".join(parts[:3]) if parts[:2] == ["simcore", "studies"] and len(parts) > 2 else None


def test_every_package_exports_something():
    for path in FILES:
        if path.name == "__init__.py":
            package = importlib.import_module(module_name(path))
            assert package.__all__, module_name(path)
            for name in package.__all__:
                # a package of packages exports those
                assert hasattr(package, name) or importlib.import_module(f"{module_name(path)}.{name}")


def test_nobody_imports_the_command_line():
    found = offenders(["simcore"], ["simcore.cli"])
    assert {m for m, _ in found if not below(m, "simcore.cli")} == {"simcore.__main__"}


# made of torch's classes and decorators, so that they are loaded inside functions
OF_TORCH = {
    "simcore.calibrate.kernels.pit_triton",
    "simcore.real.attention",
    "simcore.real.convolutional",
    "simcore.real.elastic.families",
    "simcore.real.language",
    "simcore.real.parallel",
    "simcore.real.recommendation",
    "simcore.real.schedule.attention",
    "simcore.real.schedule.checkpoint",
    "simcore.real.schedule.convolutions",
    "simcore.real.schedule.fuse",
    "simcore.real.schedule.graph",
    "simcore.real.schedule.joined",
    "simcore.real.schedule.paths",
    "simcore.real.schedule.replace",
    "simcore.real.schedule.shard",
    "simcore.real.schedule.shard_own",
    "simcore.real.schedule.steps",
    "simcore.real.schedule.traced",
    "simcore.real.sparse.attention",
    "simcore.real.sparse.choice",
    "simcore.real.sparse.found",
    "simcore.real.sparse.functions",
    "simcore.real.sparse.libraries",
    "simcore.real.sparse.measure",
    "simcore.real.sparse.models",
    "simcore.real.sparse.operators",
    "simcore.real.sparse.pit",
    "simcore.real.sparse.pitified",
    "simcore.real.sparse.products",
    "simcore.real.verify.built",
    "simcore.real.verify.compare",
    "simcore.real.verify.own_stages",
    "simcore.real.verify.run",
    "simcore.real.verify.stages",
}


def test_only_calibration_and_real_models_know_torch_and_triton():
    found = offenders(["simcore"], ["torch", "triton"])
    assert {m for m, _ in found if not below(m, "simcore.calibrate", "simcore.real")} == set()
    # inside functions, so that everything else works without them
    assert {m for m, _ in offenders(["simcore"], ["torch", "triton"], LOADS)} == OF_TORCH


def test_only_the_command_line_knows_click_and_rich():
    assert {m for m, _ in offenders(["simcore"], ["click", "rich"]) if not below(m, "simcore.cli")} == set()


def test_no_module_imports_itself_through_others():
    """Imports inside functions and for types alone count too: a circle of them is a circle of knowledge."""
    graph = networkx.DiGraph((m, i) for m, found in IMPORTS.items() for i in found & MODULES.keys() if m != i)
    assert [sorted(circle) for circle in networkx.strongly_connected_components(graph) if len(circle) > 1] == []


def test_heavy_libraries_are_loaded_inside_functions():
    heavy = ["matplotlib", "scipy", "networkx", "rich", "yaml", "torch", "triton"]
    found = offenders(["simcore"], heavy, LOADS)
    # the reader of YAML is made of classes of its package
    late = OF_TORCH | {"simcore.documents.yaml_format"}
    assert {m for m, _ in found} <= late
    # only those load each other
    assert not any(names & late for m, names in LOADS.items() if m not in late)


def test_only_the_engine_touches_simpys_insides():
    inner = {"_queue", "_eid", "_now", "_ok", "_value"}
    touching = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in inner
        # a class may name its own attribute so
        if name == "simcore.engine" or not (isinstance(node.value, ast.Name) and node.value.id == "self")
    }
    assert touching == {"simcore.engine"}
    # the network simulators use SimPy's public events and processes; nothing else knows SimPy
    simulators = ("simcore.engine", "simcore.models.network", "simcore.models.training")
    users = {m for m, found in IMPORTS.items() if any(below(i, "simpy") for i in found)}
    assert {m for m in users if not any(below(m, simulator) for simulator in simulators)} == set()


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_modules_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


def test_the_public_surface():
    verbs = [
        "collective", "evaluate", "iteration", "memory", "messages", "model", "optimize", "rates", "schedule", "search",
        "share", "sparse", "sweep", "trace", "train", "tune", "validate", "verify", "workload",
    ]  # fmt: skip
    results = ["Evaluation", *(f"{verb.title()}Result" for verb in verbs if verb != "evaluate")]
    requests = [f"{verb.title()}Request" for verb in verbs]
    swept = ["TraceSweepRequest", "TraceSweepResult", "trace_sweep"]
    assert sorted(simcore.__all__) == sorted(
        ["__version__", "LoadedResult", "load", "simulate", *verbs, *results, *requests, *swept]
    )
    for name in simcore.__all__:
        assert getattr(simcore, name) is not None
        assert name in dir(simcore)
    with pytest.raises(AttributeError, match="trac"):
        _ = simcore.trac


START = """
from simcore.cli.main import run
try:
    run("{words}".split())
except SystemExit as stop:
    assert not stop.code
"""


@pytest.mark.parametrize(
    "code",
    [
        "import simcore",
        START.format(words="--help"),
        START.format(words="--version"),
        *(START.format(words=f"{name} --help") for name in COMMANDS),
    ],
    ids=["import", "help", "version", *COMMANDS],
)
def test_starting_costs_nothing(code):
    heavy = "{'numpy', 'simpy', 'pydantic', 'rich', 'matplotlib', 'yaml', 'scipy', 'torch'}"
    program = f"import sys\n{code}\nfound = {heavy} & set(sys.modules)\nassert not found, found"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
