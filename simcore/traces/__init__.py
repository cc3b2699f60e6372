"""Traces: the bundled one, readers of trace files, and generators.

`read_trace` resolves what a user names: ``sc23``, a generator such as ``synthetic:jobs=1000``, or the path of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.traces.bundled import BUNDLED
    from simcore.traces.sources import FORMATS, read_trace
    from simcore.traces.synthetic import GENERATORS

__getattr__, __dir__ = attach(
    __name__,
    {
        "BUNDLED": "simcore.traces.bundled",
        "FORMATS": "simcore.traces.sources",
        "GENERATORS": "simcore.traces.synthetic",
        "read_trace": "simcore.traces.sources",
    },
)

__all__ = ["BUNDLED", "FORMATS", "GENERATORS", "read_trace"]
