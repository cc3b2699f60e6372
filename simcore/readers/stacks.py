"""Stacks from the zoo: what software reaches of a device and a network, as measured iterations show it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from simcore.errors import InputError
from simcore.files import read_yaml
from simcore.models.training.parallel.stack import Stack
from simcore.readers.devices import default_stack
from simcore.readers.quantities import Flag, Measure, Strict, Time, Whole
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import json_or_yaml
from simcore.readers.zoo import names
from simcore.units import counted

USUAL = "usual"
"""The stack that stands in for one that nobody measured: medians of those that were."""


FP8 = "-fp8"
"""What the name of a stack ends with that was measured with products in fp8."""


_Share = Annotated[Measure, Field(gt=0, le=10)]


class _Stack(Strict):
    name: str = ""
    description: str
    source: str
    products: _Share
    launch: Annotated[Time, Field(ge=0, le=0.01)]
    network: _Share
    attention: _Share | None = None
    overlap_tensor: Flag = False
    stops_early: Flag = False
    low: _Share
    high: _Share
    rows: Annotated[Whole, Field(ge=0)]
    held: Annotated[Whole, Field(ge=0)]
    split: Annotated[list[Annotated[Measure, Field(ge=0)]], Field(max_length=3)] = Field(default_factory=list)
    fitted: list[str] = Field(default_factory=list)


def read_stack(name_or_path: str | Path | InputFile, place: str = "stack") -> Read[Stack]:
    """Read a stack by its name in the zoo, or from a file.

    Raises
    ------
    InputError
        For an unknown name, or naming file and field.
    """
    file = read_entry("stacks", name_or_path, place, "stack")
    data = read_yaml(file.path, _Stack, "stack", json_or_yaml(file, "stack"))
    if len(data.split) not in {0, 3}:
        raise InputError(
            f"{file.path}, field 'split'", f"{len(data.split)} numbers", "none, or those of three constants"
        )
    if not data.low <= 1 <= data.high:
        expected = "low at most 1 and high at least 1, as the interval is around a prediction"
        raise InputError(f"{file.path}, field 'low'", f"{data.low:g} to {data.high:g}", expected)
    return file.of(Stack(
        data.name or file.path.stem, data.products, data.launch, data.network, data.attention, data.overlap_tensor,
        data.stops_early, data.low, data.high, data.rows, data.held, data.source,
        frozenset(data.fitted), tuple(data.split),
    ))  # fmt: skip


def _described(stack: Stack) -> str:
    if not stack.rows:
        return f"what stands in for software that was not measured; interval of {stack.held:,} measured iterations"
    of = f"{counted(stack.rows, 'measured iteration')}, held against {counted(stack.held, 'other')}"
    return f"constants fitted to {of}"


def stack_text(stack: Stack) -> str:
    """Return a stack as the YAML that `read_stack` reads."""
    import yaml

    fields: dict[str, object] = {
        **({} if stack.name in names("stacks") else {"name": stack.name}),
        "description": _described(stack),
        "source": stack.source or "not given",
        "products": stack.products, "launch": f"{stack.launch * 1e6:.4g} us", "network": stack.network,
        "attention": stack.attention,
        "overlap_tensor": stack.overlap_tensor, "stops_early": stack.stops_early,
        "low": stack.low, "high": stack.high, "rows": stack.rows,
        "held": stack.held,
    }  # fmt: skip
    if stack.split:
        fields["split"] = [float(f"{part:.3g}") for part in stack.split]
    if stack.fitted:
        fields["fitted"] = sorted(stack.fitted)
    return str(yaml.safe_dump(fields, sort_keys=False, width=118))


def stack_for(device: str, products: str) -> Read[Stack]:
    """Return the stack that was measured on a device with products in a number format, or `USUAL`'s.

    Parameters
    ----------
    device : str
        Its name.
    products : str
        Number format of products with weights.

    Examples
    --------
    >>> *(stack_for(*each).name for each in (("h100", "bf16"), ("h100", "fp8"), ("t4", "fp16"))),
    ('nemo-h100', 'nemo-h100-fp8', 'usual')
    """
    known, name = names("stacks"), default_stack(device) or USUAL
    if products == "fp8" and name + FP8 in known:
        name += FP8
    return read_stack(name if name in known else USUAL)


@cache
def read_stacks() -> dict[str, Stack]:
    """Return the stacks of the zoo by name."""
    return {name: read_stack(name).value for name in names("stacks")}
