"""Reader of workload texts, a line per layer: those of ASTRA-sim 1.0, of LIBRA, and of AICB for SimAI.

::

    HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 16 checkpoints: 2 0 9 checkpoint_initiates: 2 17 8
    18
    Q1 -1 9375000 NONE 0 9375000 ALLREDUCE 805306368 9375000 ALLREDUCE 18874368 10
    ...

The header and the number of layers may be left out, as in LIBRA's files. A layer is twelve fields between blanks or
tabs: name, reserved, then compute time [ns], collective and bytes of the forward, input-gradient and weight-gradient
pass, and the time of the weight update [ns], which the convention ``astra-sim`` alone counts. Under
``HYBRID_CUSTOMIZED`` the layer's own parallelism follows. simcore reads one more field, ``activations=BYTES``: what an
NPU hands on to the next layer.

This module reads what is written; `simcore.readers.layer_texts` says what it means on a network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from simcore.errors import InputError, shortened
from simcore.errors import field as error_field
from simcore.models.network.collectives import Collective
from simcore.models.network.mapping import Axis
from simcore.models.training.workload import Layer, Phase
from simcore.numerals import as_real, asked_for, parse_whole
from simcore.readers.sniff import significant_lines
from simcore.units import LARGEST, counted

FIELDS = (
    "name",
    "reserved",
    "forward compute",
    "forward collective",
    "forward bytes",
    "input-gradient compute",
    "input-gradient collective",
    "input-gradient bytes",
    "weight-gradient compute",
    "weight-gradient collective",
    "weight-gradient bytes",
    "weight update",
)
_OWN_POLICY = "the layer's own parallelism"
"""Label of the field that follows them under ``HYBRID_CUSTOMIZED``."""
_ACTIVATIONS = "activations="
"""Start of the last field, which may be left out."""

TRANSFORMER, CUSTOMIZED = "HYBRID_TRANSFORMER", "HYBRID_CUSTOMIZED"
FWD_IN_BCKWD = "HYBRID_TRANSFORMER_FWD_IN_BCKWD"
LAYER_POLICIES = ("DATA", "MODEL", "HYBRID_DATA_MODEL", "HYBRID_MODEL_DATA")
"""What a layer of ``HYBRID_CUSTOMIZED`` may have."""
DLRM = ("HYBRID_DLRM", "HYBRID_DLRM_ENHANCED")
POLICIES = (*LAYER_POLICIES, TRANSFORMER, FWD_IN_BCKWD, *DLRM, CUSTOMIZED, "MICRO")
"""Headers of ASTRA-sim 1.0 that say how a training iteration is parallelised."""
_INFERENCE = "DISTRIBUTED_INFERENCE"
_LAST_BOTTOM = "DLRM_LAST_BOTTOM_LAYER"
SIMAI_SETTINGS = ("ep", "pp", "vpp", "ga", "all_gpus", "pp_comm")
"""Settings of a header that only AICB writes."""
_SPELLINGS = {"expert_parallel_npu_group": "ep"}
_LISTS = ("checkpoints", "checkpoint_initiates")
_SETTINGS = ("model_parallel_NPU_group", *SIMAI_SETTINGS, *_LISTS)

_COLLECTIVES = {
    "NONE": None,
    "ALLREDUCE": Collective.ALL_REDUCE,
    "ALLGATHER": Collective.ALL_GATHER,
    "REDUCESCATTER": Collective.REDUCE_SCATTER,
    "ALLTOALL": Collective.ALL_TO_ALL,
    # a broadcast of a large buffer is a scatter and an all-gather, which send what an all-reduce sends
    "BROADCAST": Collective.ALL_REDUCE,
}
_GROUPS = {"_DP_EP": Axis.EXPERT_DATA, "_EP": Axis.EXPERT, "": None}
"""Group by the end of a collective's word; none is that of the pass."""
_BOTH = "ALLREDUCEALLTOALL"
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?\Z")
_SHOWN = 60


@dataclass(frozen=True)
class Header:
    """The first line of a text.

    Attributes
    ----------
    place : str
        File and line, for messages.
    policy : str
        Its first word; empty where there is no header.
    settings : mapping of str to float
        What it sets, by name.
    checkpoints, initiates : tuple of int
        Layers (from 0) that keep their input, and those at which recomputation starts.
    """

    place: str
    policy: str = ""
    settings: Mapping[str, float] = field(default_factory=dict)
    checkpoints: tuple[int, ...] = ()
    initiates: tuple[int, ...] = ()

    def count(self, name: str) -> int | None:
        """Return a setting that counts something; None where the header has it not."""
        value = self.settings.get(name)
        return None if value is None else int(value)

    @property
    def of_simai(self) -> bool:
        """Whether it has settings that only AICB writes, for SimAI."""
        return any(name in self.settings for name in SIMAI_SETTINGS)

    @property
    def from_aicb(self) -> bool:
        """Whether AICB wrote it: its settings, or the transformer's loop without any checkpoint."""
        if self.of_simai:
            return True
        return self.policy == FWD_IN_BCKWD and not self.checkpoints and "checkpoints" in self.settings


@dataclass(frozen=True)
class LayerText:
    """What a workload text holds, as it is written.

    Attributes
    ----------
    header : Header
        Its first line.
    layers : tuple of Layer
        In forward order, with sizes as in the text.
    policies : tuple of str
        The layers' own parallelism; empty without ``HYBRID_CUSTOMIZED``.
    announced : int or None
        How many layers the text says that it has.
    broadcasts : int
        Collectives that are broadcasts.
    """

    header: Header
    layers: tuple[Layer, ...]
    policies: tuple[str, ...] = ()
    announced: int | None = None
    broadcasts: int = 0


@dataclass(frozen=True)
class _Field:
    """One word of a line and where it stands."""

    label: str
    text: str
    place: str


def parse_layers(path: Path, text: str) -> LayerText:
    """Read a workload text.

    Parameters
    ----------
    path : Path
        The file, for messages.
    text : str
        Its content.

    Raises
    ------
    InputError
        Naming file, line, column and field: a field is missing, is no number or no collective, the header is unknown
        or given twice, or the number of layers is not the one announced.
    """
    lines = significant_lines(text)
    header, announced = Header(str(path)), None
    if lines and _is_header(lines[0][1]):
        number, line = lines.pop(0)
        header = _header(f"{path}, line {number}", line)
    if lines and _is_count(lines[0][1]):
        number, line = lines.pop(0)
        announced = int(_whole(_Field("number of layers", line.strip(), f"{path}, line {number}, number of layers")))
        _check_announced(header, announced, len(lines), f"{path}, line {number}")
    if not lines:
        raise InputError(str(path), "no layer", f"lines of {len(FIELDS)} fields, one per layer")
    _check_checkpoints(header, len(lines))
    read = [_layer(path, number, line, header) for number, line in lines]
    policies = tuple(policy for _, policy in read if policy)
    broadcasts = sum(word.upper().startswith("BROADCAST") for _, line in lines for word in line.split()[3:10:3])
    return LayerText(header, tuple(layer for layer, _ in read), policies, announced, broadcasts)


def _is_header(line: str) -> bool:
    """Tell a header, a policy alone or with settings, from a layer, even one with fields missing."""
    words = line.split()
    known = words[0] in POLICIES or words[0].startswith("HYBRID_") or words[0] == _INFERENCE
    reserved = len(words) > 2 and _digits(words[1].removeprefix("-"))  # a layer may be called after a policy
    return (known and not reserved) or (len(words) < 3 and not _is_count(line))


def _is_count(line: str) -> bool:
    """Tell what stands for the number of layers, if only it were right."""
    words = line.split()
    return len(words) == 1 and (words[0][0].isnumeric() or words[0][0] in "+-")


def _header(place: str, line: str) -> Header:
    words = [_Field("", match[0], f"{place}, column {match.start() + 1}") for match in _WORD.finditer(line)]
    policy = words.pop(0)
    known = _known_settings(policy)
    if policy.text in DLRM and len(words) == 1 and _digits(words[0].text):
        words.insert(0, replace(words[0], text=f"{_LAST_BOTTOM}:"))
    settings: dict[str, float] = {}
    lists: dict[str, tuple[int, ...]] = {}
    while words:
        word = words.pop(0)
        written = word.text.removesuffix(":")
        name = _SPELLINGS.get(written, written)
        if name not in known:
            takes = f"one of {', '.join(known)}" if known else "nothing behind it"
            raise InputError(word.place, f"'{written}' in the header {policy.text}", takes, "Remove it.")
        if name in settings:
            raise InputError(word.place, f"'{written}' twice", "each setting once", "Leave one of them out.")
        value = words.pop(0) if words else _Field("", "", f"{place}, column {len(line.rstrip()) + 1}")
        settings[name] = _setting(name, replace(value, label=name, place=f"{value.place}, field '{written}'"))
        if name in _LISTS:
            lists[name] = _listed(words, int(settings[name]), written, place)
    return Header(place, policy.text, settings, lists.get("checkpoints", ()), lists.get("checkpoint_initiates", ()))


def _known_settings(policy: _Field) -> tuple[str, ...]:
    """Return what a header may set; one that is of no training iteration is refused."""
    if policy.text == _INFERENCE:
        expected = "a training iteration: this one has the forward pass alone"
        raise InputError(policy.place, f"header '{policy.text}'", expected, "simcore simulates no inference.")
    if policy.text not in POLICIES:
        expected = f"one of {', '.join(POLICIES)}, a number of layers, or a layer"
        degrees = f"{error_field('tp')}, {error_field('dp')} or {error_field('communicator')}"
        raise InputError(
            policy.place, f"header '{policy.text}'", expected, f"Remove the header, and give the groups with {degrees}."
        )
    if policy.text in DLRM:
        return (_LAST_BOTTOM,)
    return _SETTINGS if policy.text.startswith(TRANSFORMER) else ()


def _setting(name: str, value: _Field) -> float:
    """Return the value of a setting."""
    if name == "pp_comm":
        return _number(replace(value, label="pp_comm bytes"))
    number = _whole(value)
    if number < 1 and name not in {*_LISTS, _LAST_BOTTOM}:
        raise InputError(value.place, f"'{value.text}'", "a whole number of at least 1")
    return number


def _listed(words: list[_Field], count: int, name: str, place: str) -> tuple[int, ...]:
    """Take a list of layers, whose number stands before it."""
    taken = []
    while words and _is_count(words[0].text):
        word = words.pop(0)
        taken.append(_whole(replace(word, place=f"{word.place}, field '{name}'")))
    if len(taken) != count:
        found = f"{counted(len(taken), 'layer')} behind the number {count}"
        raise InputError(f"{place}, field '{name}'", found, "their number, then as many layers")
    return tuple(taken)


def _check_checkpoints(header: Header, layers: int) -> None:
    for name, marked in zip(_LISTS, (header.checkpoints, header.initiates), strict=True):
        beyond = [layer for layer in marked if layer >= layers]
        if beyond:
            expected = f"layers from 0 to {layers - 1}"
            raise InputError(f"{header.place}, field '{name}'", f"layer {beyond[0]}", expected)


def _check_announced(header: Header, announced: int, layers: int, place: str) -> None:
    """Refuse a text that lost some of its lines; AICB's first texts announce more than they ever had."""
    first = header.from_aicb and not header.of_simai
    if announced != layers and not (first and announced > layers > 0):
        raise InputError(place, f"{announced} layers announced", f"{layers}, the number of layer lines that follow")


def _layer(path: Path, number: int, line: str, header: Header) -> tuple[Layer, str]:
    if line.split()[0] in POLICIES and _is_header(line):
        found = f"a second header, '{line.split()[0]}'"
        raise InputError(f"{path}, line {number}, column 1", found, "one header, in the first line", "Remove one.")
    words = list(_WORD.finditer(line))
    activations = None
    if len(words) > 1 and words[-1][0].startswith(_ACTIVATIONS):
        word, where = words.pop(), "field 'activations'"
        text = word[0].removeprefix(_ACTIVATIONS)
        activations = _number(
            _Field("activation bytes", text, f"{path}, line {number}, column {word.start() + 1}, {where}")
        )
    labels = (*FIELDS, _OWN_POLICY) if header.policy == CUSTOMIZED else FIELDS
    fields = [
        _Field(label, match[0], f"{path}, line {number}, column {match.start() + 1}, field '{label}'")
        for label, match in zip(labels, words, strict=False)
    ]
    # check as far as the line goes: a field dropped in its middle shows as a word of the wrong kind
    for each in fields:
        _check(each, header)
    if len(words) < len(labels):
        end = len(line[: words[-1].end()].rstrip()) + 1
        where = f"{path}, line {number}, column {end}, field '{labels[len(words)]}'"
        raise InputError(
            where, f"the end of the line after {len(words)} fields", _expected(labels), "Add what is missing."
        )
    if len(words) > len(labels):
        extra = words[len(labels)]
        where = f"{path}, line {number}, column {extra.start() + 1}"
        raise InputError(
            where, f"'{extra[0]}'", f"the end of the line after {len(labels)} fields, or activations=BYTES"
        )
    forward, backward, weight = (_phase(fields[start : start + 3], header) for start in (2, 5, 8))
    update = _number(fields[len(FIELDS) - 1]) / 1e9
    layer = Layer(fields[0].text, forward, backward, weight, activations=activations, update=update)
    return layer, fields[-1].text if header.policy == CUSTOMIZED else ""


def _expected(labels: tuple[str, ...]) -> str:
    own = f" ({', '.join(LAYER_POLICIES)})" if labels[-1] == _OWN_POLICY else ""
    return f"{len(labels)} fields: {', '.join(labels)}{own}"


def _check(each: _Field, header: Header) -> None:
    if each.label.endswith("collective"):
        _collective(each, header)
    elif each.label == _OWN_POLICY:
        if each.text not in LAYER_POLICIES:
            raise InputError(each.place, f"'{each.text}'", f"one of {', '.join(LAYER_POLICIES)}")
    elif each.label == "name":
        if not each.text.isprintable():
            raise InputError(each.place, f"'{each.text}'", "a name of printable characters")
    elif each.label != "reserved":
        _number(each)


def _digits(text: str) -> bool:
    """Tell ASCII digits alone: other scripts have digits too, which Python takes for numbers."""
    return text.isascii() and text.isdigit()


def _whole(each: _Field) -> int:
    return parse_whole(each.text, each.place)


def _number(each: _Field) -> float:
    number = as_real(each.text) if _NUMBER.match(each.text) else None
    if number is None or number > LARGEST:
        unit = "bytes" if each.label.endswith("bytes") else "nanoseconds"
        expected = f"a number of {unit}, at least 0"
        expected = expected if number is None else f"{expected} and at most {LARGEST:g}"
        found = f"'{shortened(each.text, _SHOWN)}'"
        raise InputError(each.place, found, asked_for(each.text, expected), _number_remedy(each))
    return number


def _number_remedy(each: _Field) -> str:
    if each.text == "-":
        return "AICB leaves a dash where it measured nothing: write the time, or 0 for none."
    return "Look for a field that is missing before it." if each.text.isalpha() else ""


def _collective(each: _Field, header: Header) -> tuple[Collective | None, Axis | None]:
    """Return a collective and its group; what is not known is never taken for the closest word."""
    word = each.text.replace("-", "_").upper()
    suffix = next(end for end in _GROUPS if word.endswith(end))
    base = word.removesuffix(suffix).replace("_", "")
    if base not in _COLLECTIVES:
        raise InputError(each.place, f"'{each.text}'", _words(), _collective_remedy(each, base))
    group = _GROUPS[suffix]
    if group is not None and "ep" not in header.settings:
        remedy = "Add the degree of expert parallelism to the header, as AICB does: ep: 16."
        raise InputError(each.place, f"'{each.text}' without expert groups", "ep: in the header", remedy)
    return _COLLECTIVES[base], group


def _words() -> str:
    return f"one of {', '.join(_COLLECTIVES)}, with _EP or _DP_EP behind it for the groups of experts"


def _collective_remedy(each: _Field, base: str) -> str:
    if _NUMBER.match(each.text):
        return "Look for a field that is missing before it."
    if base == _BOTH:
        return "Write its two collectives in two lines, one layer after the other."
    if any(base.startswith(name) for name in _COLLECTIVES):
        return "Its ending names no group that simcore knows; leave it out only if it runs in the group of its pass."
    return ""


def _phase(fields: Sequence[_Field], header: Header) -> Phase:
    compute, collective, size = fields
    seconds, (operation, group) = _number(compute) / 1e9, _collective(collective, header)
    return Phase(seconds) if operation is None else Phase(seconds, operation, _number(size), group)
