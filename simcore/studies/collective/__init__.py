"""The study behind ``simcore collective``: one collective on an idle network, chunk by chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.collective.request import CollectiveRequest
    from simcore.studies.collective.result import CollectiveResult
    from simcore.studies.collective.run import collective

__getattr__, __dir__ = attach(
    __name__,
    {
        "CollectiveRequest": "simcore.studies.collective.request",
        "CollectiveResult": "simcore.studies.collective.result",
        "collective": "simcore.studies.collective.run",
    },
)

__all__ = ["CollectiveRequest", "CollectiveResult", "collective"]
