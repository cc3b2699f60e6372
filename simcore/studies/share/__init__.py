"""The study behind ``simcore share``: several training jobs on one network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.share.request import ShareRequest
    from simcore.studies.share.result import ShareResult
    from simcore.studies.share.run import share

__getattr__, __dir__ = attach(
    __name__,
    {
        "ShareRequest": "simcore.studies.share.request",
        "ShareResult": "simcore.studies.share.result",
        "share": "simcore.studies.share.run",
    },
)

__all__ = ["ShareRequest", "ShareResult", "share"]
