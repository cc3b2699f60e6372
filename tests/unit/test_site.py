"""The site's generators, without Sphinx: every page is in a table of contents, every public name has an entry."""

import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest
import simcore

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def conf():
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def index(conf):
    return conf.with_contents((DOCS / "index.md").read_text(encoding="utf-8"))


def test_docstrings_of_the_configuration_hold(conf):
    results = doctest.testmod(conf)
    assert results.attempted
    assert not results.failed


def test_every_page_is_in_a_table_of_contents(index):
    listed = {line for line in index.splitlines() if "]" not in line}
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")}
    assert sorted(pages - listed - {"index"}) == []


def test_tables_of_contents_name_no_page_twice(index):
    trees = index.partition("```{toctree}")[2].splitlines()
    pages = [line for line in trees if line and not line.startswith(("`", ":"))]
    assert len(pages) == len(set(pages))


def test_every_example_has_a_page_with_its_output(conf, index):
    for script in DOCS.glob("examples/*.py"):
        assert f"\ngenerated/example-{script.stem}\n" in index
        page = conf.example_page(script)
        assert f".. literalinclude:: ../examples/{script.name}\n" in page
        assert f".. literalinclude:: ../examples/{script.stem}.out\n" in page


def test_every_public_name_has_an_entry(conf, index):
    assert "simcore" in conf.public()
    for namespace, names in conf.public().items():
        assert f"\ngenerated/{conf.page_name(namespace)}\n" in index
        page = conf.api_page(namespace, names)
        for name in names:
            thing = getattr(importlib.import_module(namespace), name)
            assert f":: {namespace}.{name}\n" in page or f"automodule:: {thing.__name__}\n" in page
    assert set(simcore.__all__) - set(conf.public()["simcore"]) <= {"__version__", *conf.NAMESPACES}


def test_a_new_public_name_appears_by_itself(conf, monkeypatch):
    def brand_new():
        """Do something new."""

    monkeypatch.setattr(simcore, "brand_new", brand_new, raising=False)
    monkeypatch.setattr(simcore, "__all__", [*simcore.__all__, "brand_new"])
    assert ".. autofunction:: simcore.brand_new\n" in conf.api_page("simcore", conf.public()["simcore"])


def test_a_study_is_described_as_a_function(conf):
    assert conf.directive("simcore.collective", simcore.collective)[0] == ".. autofunction:: simcore.collective"
    assert conf.directive("simcore.TraceResult", simcore.TraceResult)[0] == ".. autoclass:: simcore.TraceResult"
    assert conf.directive("simcore.LIMIT", 3)[0] == ".. autodata:: simcore.LIMIT"
