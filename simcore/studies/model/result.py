"""What ``simcore model`` gives: what was read of a transformer, its parameters and its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simcore.report import Block
from simcore.results import Table
from simcore.studies.model.outcome import ModelOutcome
from simcore.studies.model.report import report, sentences


@dataclass(frozen=True, kw_only=True)
class ModelResult(ModelOutcome):
    """A transformer as it was read, as tables, report and JSON; its fields are those of `ModelOutcome`."""

    stem = "model"

    def tables(self) -> Mapping[str, Table]:
        """Return the parameters of each part."""
        rows = [(part, count, count / max(1, self.parameters)) for part, count in self.parts.items()]
        return {"parts": Table(["part", "parameters", "share"], rows)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        architecture, config = self.source.architecture, self.source.config
        return {
            "name": self.name,
            "family": None if config is None else config.family,
            "parameters": self.parameters,
            "active_parameters": self.active_parameters,
            "block_parameters": self.block_parameters,
            "text_parameters": self.parameters - self.parts["vision tower"],
            "parts": dict(self.parts),
            "flop_per_token_forward": self.flop_per_token_forward,
            "flop_per_token_training": self.flop_per_token_training,
            "sequence": self.sequence,
            "causal": self.causal,
            "weight_bytes": self.weight_bytes,
            "bytes_per_element": self.source.element,
            "hidden": architecture.hidden,
            "layers": architecture.blocks,
            "heads": architecture.heads,
            "kv_heads": architecture.heads if architecture.kv_heads is None else architecture.kv_heads,
            "window": architecture.window,
            "context": self.source.sequence,
            "used": [] if config is None else list(config.used),
            "ignored": [] if config is None else list(config.ignored),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def sentences(self) -> list[str]:
        """Return how work was counted, and which fields of the file were used and ignored."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return what was read, with the parameters of each part."""
        return report(self)
