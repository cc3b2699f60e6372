"""Networks link by link, and collectives as messages on them: what a schedule per dimension cannot see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.network.messages.fabric import Fabric, FabricLink, Routing
    from simcore.models.network.messages.of_topology import fabric_of
    from simcore.models.network.messages.program import Program, Send, checked
    from simcore.models.network.messages.simulate import MessagesRun, simulate_sends

__getattr__, __dir__ = attach(
    __name__,
    {
        "Fabric": "simcore.models.network.messages.fabric",
        "FabricLink": "simcore.models.network.messages.fabric",
        "MessagesRun": "simcore.models.network.messages.simulate",
        "Program": "simcore.models.network.messages.program",
        "Routing": "simcore.models.network.messages.fabric",
        "Send": "simcore.models.network.messages.program",
        "checked": "simcore.models.network.messages.program",
        "fabric_of": "simcore.models.network.messages.of_topology",
        "simulate_sends": "simcore.models.network.messages.simulate",
    },
)

__all__ = [
    "Fabric",
    "FabricLink",
    "MessagesRun",
    "Program",
    "Routing",
    "Send",
    "checked",
    "fabric_of",
    "simulate_sends",
]
