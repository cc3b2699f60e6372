"""The study behind ``simcore messages``: a collective as messages on links that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.studies.messages.request import MessagesRequest
    from simcore.studies.messages.result import MessagesResult
    from simcore.studies.messages.run import messages

__getattr__, __dir__ = attach(
    __name__,
    {
        "MessagesRequest": "simcore.studies.messages.request",
        "MessagesResult": "simcore.studies.messages.result",
        "messages": "simcore.studies.messages.run",
    },
)

__all__ = ["MessagesRequest", "MessagesResult", "messages"]
