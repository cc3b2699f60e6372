"""The command line: every command parses its arguments, calls one function and prints what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.cli.main import run

__getattr__, __dir__ = attach(__name__, {"run": "simcore.cli.main"})

__all__ = ["run"]
