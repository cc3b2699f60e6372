"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# read when triton is first imported, by whichever module comes first: without a GPU its kernels run on CPU tensors
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"

# a shell that is no terminal's starts `make test &` with Ctrl-C ignored, and children inherit that: the tests that
# interrupt a run would wait for nothing. A handler of our own is inherited by nobody
if hasattr(signal, "SIGINT"):
    signal.signal(signal.SIGINT, signal.default_int_handler)

# CI machines stall now and then: a slow example is no failure, and the same examples run everywhere
settings.register_profile(
    "simcore", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("simcore")


def _shared() -> Path | None:
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared"
    return None


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders, one after another: pytest's own numbering lists all of them for each new one."""
    folder = tmp_path_factory.mktemp("homes")

    def new(number: int) -> Path:
        made = folder / str(number)
        made.mkdir()
        return made

    return map(new, count())


@pytest.fixture(autouse=True)
def cache(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own: none reads or writes that of whoever runs it."""
    # not by XDG_CACHE_HOME, where matplotlib would look for its list of fonts, and make it in every test
    folder = next(homes) / "simcore"
    monkeypatch.setattr("simcore.studies.evaluate.state.cache_directory", lambda: folder)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published numbers beside the checkout; a user's machine has none."""
    path = _shared()
    if path is None:
        pytest.skip("the published numbers (../shared) are not on this machine")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was skipped, and why."""
    reasons = Counter(
        str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    if reasons:
        each = "; ".join(f"{count} ({reason})" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"skipped {sum(reasons.values())}: {each}")
