"""What ``simcore model`` gives: what was read of a model, its parameters and its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simcore.models.training.captured import CapturedModel
from simcore.readers.captured_models import captured_text
from simcore.report import Block
from simcore.results import Table
from simcore.studies.model.outcome import ModelOutcome
from simcore.studies.model.report import report, sentences, shape_text


@dataclass(frozen=True, kw_only=True)
class ModelResult(ModelOutcome):
    """A model as it was read, as tables, report and JSON; its fields are those of `ModelOutcome`."""

    stem = "model"

    def tables(self) -> Mapping[str, Table]:
        """Return the parameters of each part, and the operators where they were asked for."""
        rows = [(part, count, count / max(1, self.parameters)) for part, count in self.parts.items()]
        parts = {"parts": Table(["part", "parameters", "share"], rows)}
        if self.operators is None:
            return parts
        columns = ["path", "count", "kernel", "shape", "flop", "bytes", "parameters"]
        listed = [
            (one.path, one.count, one.kernel, shape_text(one.shape), one.flop, one.bytes, one.parameters)
            for one in self.operators
        ]
        return {**parts, "operators": Table(columns, listed)}

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON, in SI units."""
        model, config = self.source.transformer, self.source.config
        # what transformers alone have is null of others
        groups = None if model is None else model.heads if model.kv_heads is None else model.kv_heads
        return {
            "name": self.name,
            "family": None if config is None else config.family,
            "parameters": self.parameters,
            "active_parameters": self.active_parameters,
            "block_parameters": self.block_parameters,
            "text_parameters": self.parameters - self.parts.get("vision tower", 0),
            "parts": dict(self.parts),
            "flop_per_token_forward": self.flop_per_token_forward,
            "flop_per_token_training": self.flop_per_token_training,
            "flop_per_sample_forward": self.flop_per_sample_forward,
            "flop_per_sample_training": self.flop_per_sample_training,
            "bytes_forward": self.bytes_forward,
            "bytes_training": self.bytes_training,
            "batch": self.batch,
            "sequence": self.sequence,
            "causal": self.causal,
            "weight_bytes": self.weight_bytes,
            "bytes_per_element": self.source.element,
            "hidden": None if model is None else model.hidden,
            "layers": None if model is None else model.blocks,
            "heads": None if model is None else model.heads,
            "kv_heads": groups,
            "window": None if model is None else model.window,
            "context": self.source.longest,
            "used": [] if config is None else list(config.used),
            "ignored": [] if config is None else list(config.ignored),
            **({} if self.operators is None else {"operators": [asdict(one) for one in self.operators]}),
            "warnings": list(self.warnings),
            "provenance": self.provenance.as_dict(),
        }

    def inputs(self) -> Mapping[str, str]:
        """Return a captured model as the file that other commands take; nothing of others, which are files already."""
        model = self.source.architecture
        if not isinstance(model, CapturedModel):
            return {}
        text = captured_text(model, self.batch, self.source.element, f"captured of {self.name}")
        return {"layers.yaml": text}

    def sentences(self) -> list[str]:
        """Return how work was counted, and which fields of the file were used and ignored."""
        return sentences(self)

    def report(self) -> Sequence[Block]:
        """Return what was read, with the parameters of each part."""
        return report(self)
