"""What is said of a model that was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simcore.models.training.architecture import Transformer
from simcore.models.training.captured import CapturedModel
from simcore.models.training.layered_model import LayeredModel
from simcore.readers.models import ModelInput
from simcore.report import Block, Headline, Sentences, grid
from simcore.studies.model.count import OperatorRow
from simcore.studies.model.outcome import ModelOutcome
from simcore.units import format_si


def report(result: ModelOutcome) -> list[Block]:
    """Return the sizes, the parameters of each part, and how they were read."""
    rows = [
        (part, f"{count:,}", f"{count / max(1, result.parameters):.1%}")
        for part, count in result.parts.items()
        if count
    ]
    listed = [] if result.operators is None else [_operators(result.operators)]
    return [
        Headline(_headline(result), "\n".join(_facts(result))),
        grid("part", "parameters", "share", rows=rows),
        *listed,
        Sentences("", sentences(result)),
    ]


def _operators(operators: Sequence[OperatorRow]) -> Block:
    rows = [
        (
            one.path, f"{one.count}", one.kernel, shape_text(one.shape), format_si(one.flop, "FLOP"),
            format_si(one.bytes, "B"), f"{one.parameters:,}",
        )
        for one in operators
    ]  # fmt: skip
    return grid("operator", "count", "kernel", "shape", "work", "moved", "parameters", left=(0, 2, 3), rows=rows)


def shape_text(shape: Mapping[str, float]) -> str:
    """Write the sizes of a kernel in one line.

    Examples
    --------
    >>> shape_text({"m": 32, "n": 1000})
    'm 32, n 1000'
    """
    return ", ".join(f"{name} {size:.15g}" for name, size in shape.items())


def sentences(result: ModelOutcome) -> list[str]:
    """Say how work was counted, and which fields of the file were used and ignored."""
    said = [_counting(result)]
    config = result.source.config
    if config is not None:
        said.append(f"Fields used: {', '.join(config.used)}.")
        said.append(f"Fields ignored: {', '.join(config.ignored) or 'none'}.")
    elif result.source.transformer is not None and result.source.transformer.vocabulary is None:
        said.append("The file names no vocabulary: these are the blocks alone, without embedding and output.")
    return said


def _headline(result: ModelOutcome) -> str:
    config = result.source.config
    family = "" if config is None else f", family {config.family}"
    active = "" if not result.idle else f", {_short(result.active_parameters)} active per token"
    model = result.source.architecture
    if isinstance(model, CapturedModel):
        at = "captured from a torch module"
    elif isinstance(model, LayeredModel):
        at = f"samples of {model.channels} x {model.height} x {model.width}"
    else:
        at = f"sequence {result.sequence:,}"
    name = result.source.title if result.source.part else result.name
    return f"{name}{family}: {_short(result.parameters)} parameters{active}; {at}"


def _facts(result: ModelOutcome) -> list[str]:
    source = result.source
    work = [
        f"batch {result.batch:,}: {format_si(result.bytes_forward, 'B')} moved forward, "
        f"{format_si(result.bytes_training, 'B')} in training",
    ]
    weights = f"weights {format_si(result.weight_bytes, 'B')} at {source.element} B each"
    if source.transformer is None:
        return [weights, _work("sample", result.flop_per_sample_forward, result.flop_per_sample_training), *work]
    return [
        *_sizes(source.transformer, source),
        f"blocks {result.block_parameters:,} parameters; {weights}",
        _work("token", result.flop_per_token_forward, result.flop_per_token_training),
        *work,
    ]


def _work(unit: str, forward: float | None, training: float | None) -> str:
    return f"per {unit} {format_si(forward or 0, 'FLOP')} forward, {format_si(training or 0, 'FLOP')} in training"


def _sizes(model: Transformer, source: ModelInput) -> list[str]:
    heads = "heads not said" if model.heads is None else f"{model.heads} heads"
    grouped = "" if model.kv_heads in (None, model.heads) else f", {model.kv_heads} of K and V"
    window = "" if model.window is None else f", window {model.window:,}"
    context = "not said" if source.longest is None else f"{source.longest:,}"
    encoder = "" if model.encoder is None else f" and an encoder of {model.encoder.blocks}"
    return [f"{model.blocks} blocks of {model.hidden:,}{encoder}; {heads}{grouped}; context {context}{window}"]


def _counting(result: ModelOutcome) -> str:
    """Say what of attention is counted."""
    model = result.source.transformer
    if model is None:
        return "Work is that of convolutions and matrix products alone."
    products = "Work is that of matrix products alone."
    if not model.causal:
        return f"{products} Every token attends to all tokens of the sequence."
    if result.causal == "half":
        return f"{products} Causal attention is counted below its mask: half of the products of scores."
    return f"{products} Causal attention is counted in full, as PaLM and Megatron-LM count it."


def _short(count: int) -> str:
    """Return a count as people say it: 8.03 B is 8.03 billion."""
    for unit, size in (("trillion", 1e12), ("billion", 1e9), ("million", 1e6)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count:,}"
