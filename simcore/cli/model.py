"""``simcore model``: what was read of a model, its parameters and its work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simcore.cli.options import StudyCommand
from simcore.cli.outputs import OutputFile
from simcore.errors import InputError
from simcore.outputs import write_atomic
from simcore.studies.model.request import ModelRequest

if TYPE_CHECKING:
    from simcore.studies.model.result import ModelResult

HELP = """Read a model, and count its parameters, its work per token or sample, and the bytes it moves.

\b
$ simcore model bert-base
bert-base: 108.5 million parameters; sequence 384
12 blocks of 768; 12 heads; context 384
...
"""


def check_layers(request: ModelRequest, outputs: Mapping[str, Any]) -> None:
    """Refuse the file of a model which has one already."""
    if not request.of_module:
        raise InputError("-o", f"it for {request.model}", "it for a module of FILE.py:NAME", "Leave it out.")


def write_layers(result: ModelResult, outputs: Mapping[str, Any]) -> None:
    """Write the captured operators."""
    write_atomic(outputs["output"], result.inputs()["layers.yaml"])


command = StudyCommand(
    "model", ModelRequest, "simcore.studies.model:model", help=HELP, example="bert-base",
    file=OutputFile("FILE", "A captured module, for train, memory, rates and schedule: YAML.",
                    "captured model", write_layers, check=check_layers),
)  # fmt: skip
