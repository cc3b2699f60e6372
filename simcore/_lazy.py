"""Public names of a package, imported when they are first asked for: importing the package itself costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(package: str, public: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose public names live in other modules.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    public : mapping of str to str
        Public name, to the module that defines it.

    Examples
    --------
    >>> find, _ = attach("shapes", {"sqrt": "math"})
    >>> find("sqrt")(9.0)
    3.0
    """

    def find(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(public[name]), name)

    def listed() -> list[str]:
        own = vars(sys.modules[package]) if package in sys.modules else {}
        return sorted({*own, *public})

    return find, listed
