"""Pages of the documentation as sessions: their commands, files and Python blocks in order, and what they show.

CONTRIBUTING.md says how a page is written so that it runs.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simcore.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(\w+)(?: (\S+))?$")
_NOTE = re.compile(r"^<!-- (not run|exit|command): (.*?) -->$")
_SHELL = re.compile(r"[|<>&;$`\\\n]")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
VARIES = "..."
"""In shown output: on its own any lines, within a line any text."""


@dataclass(frozen=True)
class Step:
    """What a page does, or shows, at one place.

    Attributes
    ----------
    line : int
        Where it stands, from 1.
    kind : str
        ``command``, ``file``, ``python``, or ``shown``: lines that were printed before.
    text : str
        The command, the content or the lines.
    name : str
        Of a file.
    output : tuple of str
        Lines shown directly under a command.
    exit_code : int
        What the command ends with.
    not_run : str
        Why it is not run; empty for what is.
    """

    line: int
    kind: str
    text: str
    name: str = ""
    output: tuple[str, ...] = ()
    exit_code: int = 0
    not_run: str = ""


def steps(text: str) -> list[Step]:
    """Return what a page does and shows, in order.

    Examples
    --------
    >>> page = "<!-- exit: 2 -->\\n```console\\n$ simcore zoo nothing\\nsimcore: error: ...\\n```\\n\\n    shown\\n"
    >>> [(one.kind, one.text, one.output, one.exit_code) for one in steps(page)]
    [('command', 'simcore zoo nothing', ('simcore: error: ...',), 2), ('shown', 'shown', (), 0)]
    """
    found: list[Step] = []
    lines = text.splitlines()
    notes: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line, start = lines[at], at
        if match := _NOTE.match(line):
            notes[match[1]] = match[2]
        elif match := _FENCE.match(line):
            end = lines.index("```", at + 1)
            found += _fenced(match[1], match[2] or "", lines[at + 1 : end], at + 2, notes)
            notes, at = {}, end
        elif line.startswith("    ") and not (at and lines[at - 1].strip()):
            while at + 1 < len(lines) and (lines[at + 1].startswith("    ") or not lines[at + 1].strip()):
                at += 1
            shown = "\n".join(lines[start : at + 1]).rstrip()
            found.append(Step(start + 1, "shown", _without_indent(shown), not_run=notes.get("not run", "")))
            notes = {}
        elif line.strip():
            notes = {}
        at += 1
    return found


def _without_indent(text: str) -> str:
    return "\n".join(line[4:] for line in text.splitlines())


def _fenced(language: str, name: str, lines: list[str], at: int, notes: dict[str, str]) -> Iterator[Step]:
    not_run, code = notes.get("not run", ""), int(notes.get("exit", "0"))
    if language == "console":
        for number, command, output in _commands(lines):
            yield Step(at + number, "command", command, output=output, exit_code=code, not_run=not_run)
    elif name or language == "python":
        text = "".join(f"{line}\n" for line in lines)
        yield Step(at, "file" if name else "python", text, name, not_run=not_run)


def _commands(lines: list[str]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield where each command of a console block starts, the command with the lines it goes on in, and its output."""
    at = 0
    while at < len(lines):
        start, command = at, lines[at].removeprefix("$ ")
        assert lines[at].startswith("$ "), f"a console block starts with a command, not with {lines[at]!r}"
        at += 1
        here = _HEREDOC.search(command)
        while at < len(lines) and (command.endswith("\\") or lines[at].startswith("> ") or lines[at] == ">" or here):
            command += "\n" + lines[at].removeprefix("> ").removeprefix(">")
            if here and command.endswith(f"\n{here[1]}"):
                here = None
            at += 1
        output = at
        while at < len(lines) and not lines[at].startswith("$ "):
            at += 1
        yield start, command, tuple(line for line in lines[output:at] if line.strip())


def is_shown(shown: list[str], printed: list[str]) -> bool:
    """Tell whether lines stand in an output, one after the other; blank lines and indents count for nothing.

    Examples
    --------
    >>> printed = ["head", "  a  1.5 s", "b", "c"]
    >>> is_shown(["a  ... s", "...", "c"], printed), is_shown(["head", "b"], printed)
    (True, False)
    """
    wanted = [line.strip() for line in shown if line.strip()]
    text = "\n".join(line.strip() for line in printed if line.strip())
    pattern = ""
    for line in wanted:
        any_lines = r"(?:.*\n)*?"
        pattern += any_lines if line == VARIES else ".*?".join(map(re.escape, line.split(VARIES))) + r"(?:\n|\Z)"
    return re.search(rf"^{pattern}", text, flags=re.MULTILINE) is not None


@dataclass
class Session:
    """One page in one folder: what was printed so far, and the names of its Python blocks.

    Attributes
    ----------
    folder : Path
        Where it runs, which must be the working directory.
    texts : list of str
        What commands, Python blocks and examples printed, in order.
    """

    folder: Path
    texts: list[str] = field(default_factory=list)
    names: dict[str, object] = field(default_factory=lambda: {"__name__": "__main__"})

    def carry_out(self, step: Step) -> str:
        """Do what a step says; returns what is wrong, empty for nothing."""
        if step.kind == "shown":
            lines = step.text.splitlines()
            return "" if any(is_shown(lines, each.splitlines()) for each in self.texts) else "this was not printed"
        if step.kind == "file":
            (self.folder / step.name).write_text(step.text, encoding="utf-8")
            return ""
        if step.kind == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(step.text, "page", "exec"), self.names)
            self.texts.append(printed.getvalue())
            return ""
        return self._command(step)

    def _command(self, step: Step) -> str:
        code, text = _in_process(step.text) if not _SHELL.search(step.text) else _in_shell(step.text)
        self.texts.append(text)
        if code != step.exit_code:
            return f"exit status {code}, not {step.exit_code}: {text}"
        if step.output and not is_shown(list(step.output), text.splitlines()):
            return f"printed something else:\n{text}"
        return ""


def _in_process(command: str) -> tuple[int, str]:
    """Run a command without starting Python anew; returns its exit status and what it printed."""
    program, *arguments = shlex.split(command, comments=True)
    if program not in ("simcore", ".venv/bin/simcore"):
        return _in_shell(command)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run(arguments)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    return code, out.getvalue() + err.getvalue()


def _in_shell(command: str) -> tuple[int, str]:
    """Run a command line in a shell in which ``simcore`` and ``python`` are those of this Python."""
    programs = Path.cwd() / ".programs"
    programs.mkdir(exist_ok=True)
    for name, arguments in (("simcore", "-m simcore.cli.main "), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n', encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    where = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=os.environ | where, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def examples(page: Path) -> list[str]:
    """Return what the examples print that a page links to."""
    linked = re.findall(r"examples/(\w+)\.py\)", page.read_text(encoding="utf-8"))
    return [(DOCS / "examples" / f"{name}.out").read_text(encoding="utf-8") for name in linked]
