"""``simcore calibrate``: measure the kernels of this machine."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from simcore.cli.console import measuring_progress, report_width
from simcore.cli.options import StudyCommand, deliver
from simcore.errors import RunError
from simcore.studies.calibrate.request import CalibrateRequest

if TYPE_CHECKING:
    from simcore.results import Result

# rich is not used here: a machine that calibrates may have torch and little else

HELP = """Measure the kernels of this machine and fit a profile to them.

On the CPU one thread is measured, by its own CPU time. The profile is written as it goes: stop at any time and run the
same command to carry on.

\b
$ simcore calibrate --quick -o mine.json
$ simcore calibrate --from all_reduce_perf.txt --network dgx-a100 -o net.json
"""


class CalibrateCommand(StudyCommand):
    """The command, which says what is kept after an interruption, and fails where an output was wrong."""

    def carry_out(self, request: CalibrateRequest, options: dict[str, Any]) -> None:  # type: ignore[override]  # its own
        """Calibrate, and print what comes of it."""
        from simcore.studies.calibrate.result import CalibrateResult
        from simcore.studies.calibrate.run import profile_path

        try:
            result = self.result(request, options)
        except KeyboardInterrupt:
            path = profile_path(request)
            kept = f"what was measured is kept in {path}: run the same command without --force to carry on"
            raise KeyboardInterrupt(f"interrupted; {kept if path.exists() else 'nothing was measured yet'}") from None
        deliver(result, options, show)
        if isinstance(result, CalibrateResult) and result.calibration.wrong:
            others = "what else was measured is in the profile"
            wrong = "; ".join(result.calibration.wrong)
            raise RunError(f"{others}, but not the kernels whose output is wrong: {wrong}")


def show(result: Result, _: dict[str, Any]) -> None:
    """Print the report line by line."""
    for block in result.report():
        for text in (getattr(block, "text", ""), getattr(block, "under", "")):
            if text:
                click.echo("\n".join(map(_filled, text.splitlines())))


def _filled(line: str) -> str:
    """Break a line where it is wider than a report, no name or hash in two."""
    return textwrap.fill(line, report_width(), break_long_words=False, break_on_hyphens=False)


def read_suites(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of texts such as ``gemm,memory``.

    Examples
    --------
    >>> read_suites(["gemm, memory", "pit"])
    ('gemm', 'memory', 'pit')
    """
    return tuple(name.strip() for text in texts for name in text.split(","))


@contextmanager
def _told(_: CalibrateRequest, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give what shows the progress of measurements."""
    yield {"progress": measuring_progress()}


command = CalibrateCommand(
    "calibrate",
    CalibrateRequest,
    "simcore.studies.calibrate:calibrate",
    help=HELP,
    read={"suites": read_suites},
    runtime=_told,
    bar=False,
    directory=False,
)
