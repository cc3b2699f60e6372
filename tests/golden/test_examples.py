"""The documentation is run: examples against their output, blocks of the reference, and links; pages: test_pages."""

from __future__ import annotations

import os
import re
import runpy
import shlex
from pathlib import Path

import pytest
from simcore.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    """Drop fenced and indented blocks and inline code, in which brackets are no links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`", "", text)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the common renderers make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("script", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_prints_its_output(
    script: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out == script.with_suffix(".out").read_text(encoding="utf-8")


def test_every_output_has_its_example() -> None:
    assert sorted((DOCS / "examples").glob("*.out")) == [path.with_suffix(".out") for path in EXAMPLES]


@pytest.mark.parametrize("page", PAGES, ids=[relative(page) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = Path(os.path.normpath(page.parent / name)) if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert not broken


def test_pages_reach_all_of_the_documentation() -> None:
    linked = {
        Path(os.path.normpath(page.parent / target.partition("#")[0]))
        for page in PAGES
        for target in LINK.findall(without_code(page.read_text(encoding="utf-8")))
        if not target.startswith("http")
    }
    assert not [relative(page) for page in DOCS.rglob("*.md") if page not in linked]


def test_python_blocks_of_the_api_reference_run(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "reference" / "python-api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    trace, optimize, kernels, simulated, network, training = blocks
    names: dict[str, object] = {}
    exec(trace, names)
    assert len(names["result"].jobs) == 8  # type: ignore[attr-defined]
    exec(optimize, {})
    assert "--cap Pod=40 GB/s holds it back" in capsys.readouterr().out
    exec(kernels, {})
    assert capsys.readouterr().out
    exec(simulated, {})
    assert "290.006 ms" in capsys.readouterr().out
    exec(network, {})
    assert capsys.readouterr().out.startswith("0.008563")
    exec(training, {})
    assert "of parameters" in capsys.readouterr().out


def test_the_python_of_the_readme_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len([line for line in block.splitlines() if line]) <= 5, "the README stays one screen"


@pytest.mark.parametrize(
    ("page", "output"),
    [
        ("explanation/scheduling.md", "rules"),
        ("validation.md", "chaos"),
        ("validation.md", "libra"),
        ("how-to/optimize.md", "optimize"),
        ("how-to/several-jobs.md", "two_jobs"),
        ("validation.md", "rates"),
        ("explanation/network-simulation.md", "conventions"),
    ],
)
def test_pages_quote_the_output_in_full(page: str, output: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = (DOCS / "examples" / f"{output}.out").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line and f"    {line.rstrip()}\n" not in text]


def test_a_page_quotes_the_end_of_an_output() -> None:
    """The how-to of step times shows what each step adds up to; validation has every line."""
    text = (DOCS / "how-to/rates.md").read_text(encoding="utf-8")
    lines = (DOCS / "examples/rates.out").read_text(encoding="utf-8").splitlines()[-4:]
    assert "".join(f"    {line}\n" for line in lines) in text


@pytest.mark.parametrize(
    ("page", "command"),
    [
        ("reference/cli-model.md", "model bert-base"),
        ("reference/cli-model.md", "model resnet50 --batch 32"),
        ("reference/cli-kernel.md", "kernel matmul 4096x4096x4096 --profile v100-16gb"),
    ],
)
def test_pages_quote_what_a_command_prints(
    page: str, command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        run(shlex.split(command))
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"$ simcore {command}\n" in text
    assert not [line for line in capsys.readouterr().out.splitlines() if line and f"    {line.rstrip()}\n" not in text]
