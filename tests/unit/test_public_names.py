"""The documentation uses public names only: what it imports, and what it reads from modules, a test can find."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from tests.pages import DOCS, ROOT, steps

# the modules whose `__all__` is public, as docs/reference/python-api.md says
PUBLIC = ("simcore", "simcore.network", "simcore.training", "simcore.cluster", "simcore.kernels")
PUBLIC += ("simcore.calibrate.kernels", "simcore.real.sparse", "simcore.readers", "simcore.errors")
GUIDES = [str(page.relative_to(ROOT)) for page in sorted((DOCS / "how-to").glob("*.md"))]


def blocks() -> dict[str, str]:
    """Return every Python text of the documentation: examples, blocks and shown files of its pages."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((DOCS / "examples").glob("*.py"))}
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]:
        for step in steps(page.read_text(encoding="utf-8")):
            if step.kind == "python" or step.name.endswith(".py"):
                texts[f"{page.relative_to(ROOT)}:{step.line}"] = step.text
    return texts


def private(text: str) -> list[str]:
    """Return the names of simcore in a Python text that are not public.

    Examples
    --------
    >>> private("from simcore.files import read_yaml\\nimport simcore\\nsimcore.trace\\nsimcore.nothing")
    ['simcore.files', 'simcore.nothing']
    """
    found, modules = [], {}
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.split(".")[0] == "simcore":
                    found += [] if each.name in PUBLIC else [each.name]
                    modules[each.asname or each.name.split(".")[0]] = each.name if each.asname else "simcore"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "simcore":
            if node.module not in PUBLIC:
                found += [] if all(f"{node.module}.{each.name}" in PUBLIC for each in node.names) else [node.module]
            else:
                found += [f"{node.module}.{each.name}" for each in node.names if not is_public(node.module, each.name)]
            for each in node.names:
                if f"{node.module}.{each.name}" in PUBLIC:
                    modules[each.asname or each.name] = f"{node.module}.{each.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found += [f"{module}.{node.attr}" for module in [module_of(node.value, modules)] if module
                      and not is_public(module, node.attr)]  # fmt: skip
            found += [f".{node.attr}"] if node.attr.startswith("_") and not node.attr.startswith("__") else []
    return sorted(set(found))


def module_of(node: ast.expr, modules: dict[str, str]) -> str:
    """Return which of simcore's modules an expression is; empty for none."""
    if isinstance(node, ast.Name):
        return modules.get(node.id, "")
    if isinstance(node, ast.Attribute):
        name = f"{module_of(node.value, modules)}.{node.attr}"
        return name if name in PUBLIC else ""
    return ""


def is_public(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    names = getattr(found, "__all__", [each for each in vars(found) if not each.startswith("_")])
    return name in names or f"{module}.{name}" in PUBLIC


@pytest.mark.parametrize("where", blocks())
def test_python_of_the_documentation_uses_public_names(where: str) -> None:
    assert private(blocks()[where]) == []


def test_private_names_are_found() -> None:
    assert private("from simcore.studies.train import train") == ["simcore.studies.train"]
    assert private("from simcore import calibrate_all") == ["simcore.calibrate_all"]
    assert private("import simcore as s\ns.train(a)._inner\ns.network.place\ns.network.hidden") == [
        "._inner", "simcore.network.hidden",
    ]  # fmt: skip
    assert private("from simcore import network\nnetwork.nothing") == ["simcore.network.nothing"]


def test_the_reference_names_what_is_public() -> None:
    text = (DOCS / "reference" / "python-api.md").read_text(encoding="utf-8").partition("## What is public")[2]
    for module in PUBLIC:
        assert f"`{module}`" in text
        assert inspect.getdoc(importlib.import_module(module))


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/reference/python-api.md", *GUIDES])
def test_names_in_the_text_are_public(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for dotted in re.findall(r"`(simcore(?:\.\w+)+)", text):
        module = max((each for each in PUBLIC if f"{dotted}.".startswith(f"{each}.")), key=len)
        rest = dotted.removeprefix(module).lstrip(".").split(".")[0]
        assert not rest or is_public(module, rest), dotted


def test_nothing_is_installed_from_an_index_that_does_not_have_it() -> None:
    """No index has simcore: what installs an extra is shown from the checkout."""
    wrong = re.compile(r"pip3? install (?:-\S+ )*['\"]?simcore\b")
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.*"), *(ROOT / "simcore").rglob("*.py")]
    texts += [*(ROOT / "benchmarks").rglob("*.py"), ROOT / "Makefile"]
    found = [path for path in texts if path.suffix in {".md", ".py", ".out", ".yaml", ""}
             and path.name != "CHANGELOG.md" and wrong.search(path.read_text(encoding="utf-8"))]  # fmt: skip
    assert found == []
    assert wrong.search("pip install 'simcore[calibrate]'")
    assert not wrong.search("pip install -e '.[calibrate]'")
