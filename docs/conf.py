"""Sphinx configuration of the documentation site: `make docs` writes build/docs.

The pages are plain Markdown that a git host renders as it is, so no page holds a directive. The rest of the site is
made here: tables of contents from the lists of links in index.md, a page for each example from its files, and a page
for each public namespace from its `__all__`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
GENERATED = DOCS / "generated"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
NAMESPACES = ("simcore", "simcore.network", "simcore.training", "simcore.cluster", "simcore.kernels")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+\.md)(?:#[^)]*)?\)")
EXAMPLE_LINK = re.compile(r"\]\((?:\.\./)*examples/(\w+)\.(?:py|out)\)")

sys.path.insert(0, str(DOCS.parent))

project = "simcore"
author = "simcore maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["examples"]
html_theme = "furo"
html_title = "simcore"
html_show_copyright = False
html_show_sourcelink = False

# links between pages name headings as git hosts do, down to the third level
myst_heading_anchors = 3

autodoc_mock_imports = ["torch", "triton"]
autodoc_typehints = "none"  # the docstrings give types with their units
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes in a table, once

# every link that leads nowhere is a warning, and warnings are errors
nitpicky = True
# types that are not public, and types of other packages, have no page to link to
nitpick_ignore_regex = [("py:.*", ".*")]
# the type column of a docstring is prose, and a word such as `time` in it may be the name of several attributes
suppress_warnings = ["ref.python"]


def index_section(title: str, index: str) -> list[str]:
    r"""Return the pages that a section of index.md links to, in order, without their suffix.

    >>> index_section("Learn", "## Learn\n- [Tutorial](tutorial.md#a), [it](tutorial.md)\n\n## Do\n- [x](y.md)\n")
    ['tutorial']
    """
    _, _, rest = f"\n{index}".partition(f"\n## {title}\n")
    body = rest.partition("\n## ")[0]
    return list(dict.fromkeys(target.removesuffix(".md") for target in LINK.findall(body)))


def with_contents(index: str) -> str:
    """Return index.md with a hidden table of contents for each of its sections, from the links that it holds."""
    contents = {title: index_section(title, index) for title in re.findall(r"^## (.*)$", index, flags=re.MULTILINE)}
    contents["Reference"] += [f"generated/{page_name(name)}" for name in public()]
    contents["Examples"] += [f"generated/example-{script.stem}" for script in EXAMPLES]
    trees = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```"])
        for title, pages in contents.items()
        if pages
    ]
    return "\n\n".join([index, *trees]) + "\n"


def public() -> dict[str, list[str]]:
    """Return the public names by namespace; a namespace that does not exist is left out."""
    found = {}
    for namespace in NAMESPACES:
        if importlib.util.find_spec(namespace) is not None:
            names = importlib.import_module(namespace).__all__
            found[namespace] = [name for name in names if name not in ("__version__", *NAMESPACES)]
    return found


def page_name(namespace: str) -> str:
    """Return the file of a namespace's page: `simcore.network` is api-simcore-network."""
    return "api-" + namespace.replace(".", "-")


def directive(name: str, thing: Any) -> list[str]:
    """Return what makes autodoc describe a public name."""
    if inspect.ismodule(thing):
        return [f".. automodule:: {thing.__name__}", "   :no-index:", ""]
    if inspect.isclass(thing):
        return [f".. autoclass:: {name}", "   :members:", ""]
    # a study wraps the function that runs it
    if inspect.isroutine(inspect.unwrap(thing)):
        return [f".. autofunction:: {name}", ""]
    if isinstance(thing, dict | tuple | frozenset):  # what autodoc would show is the documentation of its type
        return [f".. py:data:: {name}", "", f"   {', '.join(map(str, thing))}", ""]
    return [f".. autodata:: {name}", ""]


def first_home(namespace: str, thing: Any) -> str:
    """Return the first namespace that exports a thing: it is described there, and named in the others."""
    for other, names in public().items():
        module = importlib.import_module(other)
        if other == namespace or any(getattr(module, name) is thing for name in names):
            return other
    return namespace


def api_page(namespace: str, names: list[str]) -> str:
    """Return reStructuredText that describes every public name of a namespace."""
    module = importlib.import_module(namespace)
    lines = [namespace, "=" * len(namespace), "", f".. automodule:: {namespace}", "   :no-members:", ""]
    for name in names:
        thing = getattr(module, name)
        home = first_home(namespace, thing)
        if home == namespace:
            lines += directive(f"{namespace}.{name}", thing)
        else:
            lines += [f".. py:data:: {namespace}.{name}", "", f"   See ``{home}.{name}``.", ""]
    return "\n".join(lines)


def example_page(script: Path) -> str:
    """Return reStructuredText that includes an example with its output."""
    lines = [script.name, "=" * len(script.name), "", f".. literalinclude:: ../examples/{script.name}", ""]
    lines += ["A run of it prints:", "", f".. literalinclude:: ../examples/{script.stem}.out", "   :language: text"]
    return "\n".join(lines) + "\n"


def with_example_links(text: str, page: str) -> str:
    """Return a page whose links to an example's files lead to the page of both.

    >>> with_example_links("see [it](../examples/rates.py)", "how-to/rates")
    'see [it](../generated/example-rates.rst)'
    """
    up = "../" * page.count("/")
    return EXAMPLE_LINK.sub(lambda match: f"]({up}generated/example-{match[1]}.rst)", text)


def write_generated(app: Any) -> None:
    """Write the pages of the examples and of the API, where they changed."""
    pages = {f"{page_name(namespace)}.rst": api_page(namespace, names) for namespace, names in public().items()}
    pages |= {f"example-{script.stem}.rst": example_page(script) for script in EXAMPLES}
    GENERATED.mkdir(exist_ok=True)
    for path in GENERATED.iterdir():
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = GENERATED / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def read_source(app: Any, page: str, source: list[str]) -> None:
    """Give Sphinx what it reads in place of a page's text."""
    if page == "index":
        source[0] = with_contents(source[0])
    if not page.startswith("generated/"):
        source[0] = with_example_links(source[0], page)


def setup(app: Any) -> None:
    """Connect the generators."""
    app.connect("builder-inited", write_generated)
    app.connect("source-read", read_source)
