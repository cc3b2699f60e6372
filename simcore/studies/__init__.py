"""Studies: a frozen request in, a result out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.request import Request, Study, argument, option, study

__getattr__, __dir__ = attach(
    __name__,
    {
        "Request": "simcore.studies.request",
        "Study": "simcore.studies.request",
        "argument": "simcore.studies.request",
        "option": "simcore.studies.request",
        "study": "simcore.studies.request",
    },
)

__all__ = ["Request", "Study", "argument", "option", "study"]
