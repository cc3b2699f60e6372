"""What is said of a model that was read."""

from __future__ import annotations

from simcore.report import Block, Headline, Sentences, grid
from simcore.studies.model.outcome import ModelOutcome
from simcore.units import format_si


def report(result: ModelOutcome) -> list[Block]:
    """Return the sizes, the parameters of each part, and how they were read."""
    rows = [
        (part, f"{count:,}", f"{count / max(1, result.parameters):.1%}")
        for part, count in result.parts.items()
        if count
    ]
    return [
        Headline(_headline(result), "\n".join(_facts(result))),
        grid("part", "parameters", "share", rows=rows),
        Sentences("", sentences(result)),
    ]


def sentences(result: ModelOutcome) -> list[str]:
    """Say how work was counted, and which fields of the file were used and ignored."""
    said = [_counting(result)]
    config = result.source.config
    if config is not None:
        said.append(f"Fields used: {', '.join(config.used)}.")
        said.append(f"Fields ignored: {', '.join(config.ignored) or 'none'}.")
    elif result.source.architecture.vocabulary is None:
        said.append("The file names no vocabulary: these are the blocks alone, without embedding and output.")
    return said


def _headline(result: ModelOutcome) -> str:
    config = result.source.config
    family = "" if config is None else f", family {config.family}"
    active = "" if not result.idle else f", {_short(result.active_parameters)} active per token"
    return f"{result.name}{family}: {_short(result.parameters)} parameters{active}; sequence {result.sequence:,}"


def _facts(result: ModelOutcome) -> list[str]:
    model, source = result.source.architecture, result.source
    heads = "heads not said" if model.heads is None else f"{model.heads} heads"
    grouped = "" if model.kv_heads in (None, model.heads) else f", {model.kv_heads} of K and V"
    window = "" if model.window is None else f", window {model.window:,}"
    context = "not said" if source.sequence is None else f"{source.sequence:,}"
    encoder = "" if model.encoder is None else f" and an encoder of {model.encoder.blocks}"
    return [
        f"{model.blocks} blocks of {model.hidden:,}{encoder}; {heads}{grouped}; context {context}{window}",
        f"blocks {result.block_parameters:,} parameters; weights {format_si(result.weight_bytes, 'B')} at "
        f"{source.element} B each",
        f"per token {format_si(result.flop_per_token_forward, 'FLOP')} forward, "
        f"{format_si(result.flop_per_token_training, 'FLOP')} in training",
    ]


def _counting(result: ModelOutcome) -> str:
    """Say what of attention is counted."""
    model = result.source.architecture
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
