"""Operators of any torch module, captured without running it: ``torch.export`` on meta tensors, which hold no memory.

The module is exported twice, the second time with twice the samples, so that each size is known for any batch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from simcore.calibrate.measure.device import require_torch
from simcore.errors import InputError, field
from simcore.models.training.captured import CapturedModel, CapturedOperator, CapturedSection, Size
from simcore.plugins import load
from simcore.real.records import Recorded, Records
from simcore.real.torch_operators import take

if TYPE_CHECKING:
    from torch import Tensor, nn

_EXAMPLE = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<shape>[1-9][0-9]*(?:x[1-9][0-9]*)*)(?::(?P<dtype>[a-z]+[0-9]*))?\Z"
)
EXPECTED = "shapes such as 8x3x224x224, 4x128:int64 or mask=4x128:bool, with commas between them"


@dataclass(frozen=True)
class Given:
    """One input of a module.

    Attributes
    ----------
    name : str
        Of a keyword; empty for one by its place.
    shape : tuple of int
        Its sizes, samples first.
    dtype : str
        Of torch, such as ``float32``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Captured:
    """A module as it was captured.

    Attributes
    ----------
    model : CapturedModel
        Its operators.
    batch, element : int
        Samples of the example, and bytes of its parameters' elements [B].
    unknown : mapping of str to int
        Operators that were counted as the bytes that they move, and how often each stands there.
    unused : tuple of str
        Parameters that no operator uses.
    """

    model: CapturedModel
    batch: int
    element: int
    unknown: Mapping[str, int]
    unused: tuple[str, ...]


def parse_example(text: str) -> tuple[Given, ...]:
    """Read the inputs of a module.

    Raises
    ------
    InputError
        If one is no shape.

    Examples
    --------
    >>> parse_example("4x128:int64, mask=4x128:bool")[1]
    Given(name='mask', shape=(4, 128), dtype='bool')
    """
    made = []
    for word in (each.strip() for each in text.split(",")):
        match = _EXAMPLE.match(word)
        if match is None:
            raise InputError(field("example"), f"'{word}'", EXPECTED)
        shape = tuple(int(size) for size in match["shape"].split("x"))
        made.append(Given(match["name"] or "", shape, match["dtype"] or "float32"))
    return tuple(made)


def built(spec: str, place: str) -> tuple[nn.Module, tuple[Given, ...]]:
    """Return the module that a text such as ``my.py:build`` names, on meta tensors, and its inputs where it gives them.

    It names a function or a class without arguments, or a module. A function may return its module with its inputs, as
    ``simcore verify`` needs it.

    Raises
    ------
    InputError
        If there is none, or it builds no module.
    """
    torch, make = require_torch(), made_by(spec, place)
    with torch.device("meta"):
        module = make()
    module, inputs = module if isinstance(module, tuple) and len(module) == 2 else (module, ())
    if not isinstance(module, torch.nn.Module):
        found = f"'{spec}', which gives {type(module).__name__}"
        raise InputError(place, found, "a torch.nn.Module, or what returns one without arguments")
    each = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    shapes = tuple(Given("", tuple(one.shape), str(one.dtype).removeprefix("torch.")) for one in each)
    return module.to("meta").train(), shapes


def made_by(spec: str, place: str) -> Callable[[], Any]:
    """Return what gives whatever a text such as ``my.py:build`` names, or what that returns.

    Raises
    ------
    InputError
        If there is none; and when it is called, if it fails.
    """
    torch, made = require_torch(), load(spec, "simcore.modules", {}, place)

    def make() -> Any:
        try:
            return made if isinstance(made, torch.nn.Module) else made()
        except Exception as error:
            found = f"'{spec}', which fails: {type(error).__name__}: {error}"
            raise InputError(place, found, "what returns a torch.nn.Module without arguments") from error

    return make


def capture(spec: str, example: str | None, *, keep_going: bool = False, place: str = "model") -> Captured:
    """Capture the operators of a module.

    Parameters
    ----------
    spec : str
        ``FILE.py:NAME`` of a function without arguments that returns a `torch.nn.Module`, or of a class or a module.
    example : str or None
        Its inputs, see `parse_example`; None takes those that the function gives. Those with as many samples as the
        first one grow with the batch.
    keep_going : bool
        Whether operators that are not understood are counted as the bytes that they read and write.
    place : str
        What gave the module, for messages.

    Raises
    ------
    InputError
        If it cannot be exported, its operators are not understood, or they depend on the batch otherwise than in
        proportion.
    """
    module, inputs = built(spec, place)
    given = inputs if example is None else parse_example(example)
    if not given:
        remedy = f"Add {field('example')} 4x128:int64, for example."
        raise InputError(field("example"), "nothing", "the shapes of the module's inputs", remedy)
    batch = given[0].shape[0]
    sizes = {name: each.numel() for name, each in module.named_parameters()}
    one, two = (_recorded(module, given, times, spec, place) for times in (1, 2))
    if one.unknown and not keep_going:
        raise _not_understood(one.unknown, place)
    unused = tuple(one.left(sizes))
    for each in (one, two):
        each.idle(sizes)
    operators = [_grown(*pair, batch, place) for pair in _pairs(one.made, two.made, place)]
    reads = [_of_batch(a.read, b.read, batch, place) for a, b in _pairs(one.made, two.made, place)]
    element = next((each.element_size() for each in module.parameters()), 4)
    model = CapturedModel(spec.rpartition(":")[2], tuple(sections(operators, reads)), spec)
    return Captured(model, batch, element, dict(one.unknown), unused)


def _recorded(module: nn.Module, given: Sequence[Given], times: int, spec: str, place: str) -> Records:
    """Export a module with so many times the samples, and walk through its operators."""
    torch = require_torch()
    samples = given[0].shape[0]
    inputs = [_tensor(one, times if one.shape[0] == samples else 1) for one in given]
    arguments = tuple(value for one, value in zip(given, inputs, strict=True) if not one.name)
    keywords = {one.name: value for one, value in zip(given, inputs, strict=True) if one.name}
    try:
        program = torch.export.export(module, arguments, keywords, strict=False)
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        found = f"'{spec}' with {field('example')}, which torch.export refuses: {type(error).__name__}: {said}"
        raise InputError(place, found, "a module that torch.export takes, and inputs that fit it") from error
    parameters = dict(program.graph_signature.inputs_to_parameters)
    frozen = frozenset(name for name, each in module.named_parameters() if not each.requires_grad)
    records = Records(parameters, frozen)
    for node in program.graph.nodes:
        if node.op == "placeholder":
            records.given(node)
        elif node.op == "call_function":
            take(records, node)
    return records


def _tensor(given: Given, times: int) -> Tensor:
    torch = require_torch()
    dtype = getattr(torch, given.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise InputError(field("example"), f"':{given.dtype}'", "a number format of torch, such as int64 or float32")
    made: Tensor = torch.empty((times * given.shape[0], *given.shape[1:]), dtype=dtype, device="meta")
    return made


def _not_understood(unknown: Counter[str], place: str) -> InputError:
    named = ", ".join(f"aten.{name}" + f" ({count} times)" * (count > 1) for name, count in unknown.items())
    remedy = f"Give {field('keep_going')} to count them as the bytes that they read and write."
    return InputError(place, f"operators that are not understood: {named}", "operators of training", remedy)


def _pairs(one: list[Recorded], two: list[Recorded], place: str) -> list[tuple[Recorded, Recorded]]:
    if [each.operator.path for each in one] != [each.operator.path for each in two]:
        raise InputError(place, "other operators with twice the samples", "the same for any batch")
    return list(zip(one, two, strict=True))


def _grown(one: Recorded, two: Recorded, batch: int, place: str) -> CapturedOperator:
    """Return an operator whose sizes grow with the batch, of those of an example and of twice its samples."""
    a, b, at = one.operator, two.operator, f"{place}, operator {one.operator.path}"
    return replace(
        a, shape={name: _of_batch(size, b.shape[name], batch, at) for name, size in a.shape.items()},
        work=_of_batch(a.work, b.work, batch, at), saved=_of_batch(a.saved, b.saved, batch, at),
        output=_of_batch(a.output, b.output, batch, at),
    )  # fmt: skip


def _of_batch(one: Size, two: Size, batch: int, place: str) -> Size:
    """Return a size that grows with the batch.

    Examples
    --------
    >>> _of_batch(Size(10), Size(18), 4, "here")
    Size(fixed=2.0, batch=2.0, element=0.0, both=0.0)
    """
    each, both = (two.fixed - one.fixed) / batch, (two.element - one.element) / batch
    made = Size(one.fixed - each * batch, each, one.element - both * batch, both)
    if min(made.fixed, made.batch, made.element, made.both) < 0:
        expected = "sizes that grow in proportion to the samples"
        raise InputError(place, f"{one.fixed + one.element:g}, then {two.fixed + two.element:g}", expected)
    return made


def sections(operators: Sequence[CapturedOperator], reads: Sequence[Size]) -> Iterator[CapturedSection]:
    """Yield operators in sections: what lies under one number of a module path is a block, equal ones are held once."""
    last: CapturedSection | None = None
    seen: set[tuple[str, int]] = set()
    at = 0
    for block, same in groupby(operators, lambda one: _block(one.path)):
        held = list(same)
        read, at = reads[at], at + len(held)
        made = CapturedSection(tuple(held))
        if block is not None and block not in seen:
            seen.add(block)
            inside = tuple(replace(one, path=one.path[len(f"{block[0]}.{block[1]}.") :]) for one in held)
            made = CapturedSection(inside, block[0], 1, block[1], read)
        if last is not None and _follows(last, made):
            last = replace(last, count=last.count + 1)
            continue
        if last is not None:
            yield last
        last = made
    if last is not None:
        yield last


def _follows(last: CapturedSection, made: CapturedSection) -> bool:
    """Say whether a section is one more repetition of the last one."""
    alike = (last.path, last.operators, last.input) == (made.path, made.operators, made.input)
    return bool(made.path) and alike and made.start == last.start + last.count


def _block(path: str) -> tuple[str, int] | None:
    words = path.split(".")
    at = next((number for number, word in enumerate(words) if word.isdigit()), 0)
    return (".".join(words[:at]), int(words[at])) if at else None
