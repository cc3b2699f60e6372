"""Every page runs as it is shown: its files, commands and Python blocks in order, as one session in one folder."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from tests import pages
from tests.pages import DOCS, ROOT, Session, steps

TASKS = [ROOT / "README.md", DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
OTHERS = [page for page in [ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))] if page not in TASKS]
NOT_RUN = [(page, step) for page in [*TASKS, *OTHERS] for step in steps(page.read_text("utf-8")) if step.not_run]


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


def wrong(page: Path, folder: Path) -> list[str]:
    """Run a page; returns what is not as it is shown. Indented blocks are output on pages of tasks alone."""
    session = Session(folder, pages.examples(page))
    found = []
    for step in steps(page.read_text(encoding="utf-8")):
        if not step.not_run and (page in TASKS or step.kind in ("command", "file")):
            fault = session.carry_out(step)
            found += [f"{relative(page)}:{step.line}: {step.text.splitlines()[0]}: {fault}"] if fault else []
    return found


@pytest.mark.parametrize("page", [*TASKS, *OTHERS], ids=relative)
def test_page_runs_as_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "\n".join(wrong(page, tmp_path)) == ""


@pytest.mark.parametrize("page", TASKS, ids=relative)
def test_commands_stand_where_they_are_run(page: Path) -> None:
    assert not re.findall(r"^```(?:sh|bash|shell)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize(("page", "step"), NOT_RUN, ids=[f"{relative(page)}:{step.line}" for page, step in NOT_RUN])
def test_what_is_not_run_says_why(page: Path, step: pages.Step) -> None:
    assert len(step.not_run.split()) > 1
    pytest.skip(f"{step.text.splitlines()[0]}: {step.not_run}")


def test_pages_are_read_as_their_docstrings_say() -> None:
    results = doctest.testmod(pages)
    assert results.attempted
    assert not results.failed


def test_a_page_that_does_not_run_as_shown_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(tmp_path)
    text = """
```text a.txt
1 2
```

```console
$ cat a.txt | tr 1 3
3 2
$ cat > b.txt <<EOF
2
EOF
$ cat b.txt
3
$ simcore zoo nothing
```

    3 2

And

    4

<!-- not run: it needs a GPU -->
```console
$ false
```
"""
    faults = [session.carry_out(step) for step in steps(text) if not step.not_run]
    assert [bool(fault) for fault in faults] == [False, False, False, True, True, False, True]
    assert "exit status 2" in faults[4]
    assert (tmp_path / "b.txt").read_text() == "2\n"
