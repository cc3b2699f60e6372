"""Hostile input for every reader: files that were valid until something was done to them.

``python -m tests.fuzz --seed 1 --count 20000`` tries as many as asked for; a test tries 2,000. Each is read or refused:

* what is refused is refused by an `InputError`, whose message is short and holds nothing that a terminal would act on;
* what is accepted round-trips. Where simcore has a writer, what it writes is read back to an equal value: profiles,
  step times. Where it has none, `Case.write` below says how a value is written in the reader's own format, with units,
  and what is written is read back to an equal value. For a model, whose fields are those of the family that its file
  names, and for an index into simcore's own data it means that reading it again gives an equal value;
* neither takes longer than `SECONDS`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.errors import CONTROL, InputError
from simcore.files import csv_text
from simcore.models.bandwidth.expressions import parse_constraint
from simcore.models.cluster.policies.easyscale import EasyScaleHeter
from simcore.models.cluster.policies.options import with_options
from simcore.models.compute.profile import content_hash
from simcore.models.network.collectives import Collective
from simcore.models.network.topology import Block, Dimension, Topology
from simcore.readers import catalogue, libra, read_cluster, read_costs, read_device, read_network, read_profile
from simcore.readers.applications import read_applications
from simcore.readers.astra import parse_layers
from simcore.readers.cluster_networks import network_for
from simcore.readers.families import read_family
from simcore.readers.models import read_model
from simcore.readers.network_string import parse_network
from simcore.readers.profile_json import profile_text
from simcore.readers.read import InputFile
from simcore.readers.references import read_references
from simcore.readers.step_times import COLUMNS as RATES
from simcore.readers.step_times import read_step_times
from simcore.readers.timed_models import read_timed_models
from simcore.readers.workloads import read_workload, read_workloads
from simcore.readers.zoo import ROOT
from simcore.studies.buffers import parse_size
from simcore.studies.collective.inputs import parse_algorithms, parse_group
from simcore.studies.inputs import parse_budget
from simcore.studies.kernel.run import sizes
from simcore.traces import easyscale, table
from simcore.traces.bundled import BUNDLED
from simcore.traces.sources import read_trace
from simcore.units import LARGEST, parse

SECONDS = 5.0
"""What reading or refusing one text may take at most."""
LONGEST_MESSAGE = 4000

HOSTILE = (
    "²",
    "٣",
    "１２",
    "½",
    "9" * 19,
    "9" * 5000,
    "1" + "0" * 400,
    "1e18",
    "1e17",
    "1e400",
    "-1e400",
    "1e300",
    "1e-320",
    "1e-400",
    "1e-300",
    "0x10",
    "0o14",
    "012",
    "1_000",
    "1:30",
    "2024-13-45",
    "-1",
    "-0",
    "0",
    "0.5",
    "1e9",
    "+5",
    "1.",
    ".5",
    "nan",
    "NaN",
    ".nan",
    ".inf",
    "Infinity",
    "-inf",
    "true",
    "yes",
    "no",
    "on",
    "null",
    "~",
    "",
    '""',
    "''",
    "'8'",
    '"8"',
    "[]",
    "{}",
    "[1]",
    "{a: 1}",
    "[" * 60 + "]" * 60,
    "[" * 5000,
    "{" * 5000,
    "- " * 5000,
    '{"a":' * 5000,
    "&a [*a]",
    "*a",
    "&a",
    "<<",
    "!!int '8'",
    "!!python/name:os.system",
    "!!binary aGk=",
    "? a",
    "---",
    "...",
    "%YAML 9",
    "\x1b[2J",
    "\x07",
    "\r",
    "\x00",
    "\x7f",
    "\x9b",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\U0001f600",
    "\ud800",
    r"\ud800",
    r"\u001b",
    r"\x1b",
    '"',
    "'",
    "`",
    "$",
    "$x$",
    "%",
    "\\",
    ",",
    ";",
    "#",
    ":",
    ": ",
    "\t",
    "\n",
    "\n\n",
    " ",
    "=",
    ">=",
    "(",
    ")",
    "@",
    "x",
    "..",
    "/",
    "/dev/zero",
    "a" * 300,
    "a" * 20_000,
    "$1e300 per GB/s",
    "1e300 s",
    "1e-300 GB/s",
    "1e30 GB/s",
    "1e-30 s",
    "1e400 GB/s",
    "5 Gb/s",
    "5 parsecs",
    "1000000000000000000",
)
"""What is put in place of something: numbers that are none, or too large, or of another script; marks of the formats;
what a terminal acts on; names that are paths."""


NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "7",
    "1.5",
    "64",
    "1000",
    "1e6",
    "1048576",
    "1e9",
    "2147483648",
    "1e12",
    "9007199254740993",
    "1e17",
    "999999999999999999",
    "1e18",
    "1e-12",
    "1e-30",
    "1e30",
    "1e-29",
    "1e29",
    "1e-300",
    "1e300",
)
NAMES = (
    "$x$",
    "a_b^c",
    "$",
    "%s",
    "{x}",
    "[bold]x",
    ":smile:",
    r'"\u001b[2J"',
    r'"a\nb"',
    "<b>",
    "\u4e2d",
    "x" * 200,
    "no",
    "1e3",
)
"""What a file may call something: marks of formulas, formats and styles among them."""


@dataclass(frozen=True)
class Case:
    """A reader.

    Attributes
    ----------
    name : str
        For messages.
    texts : tuple of str
        Valid inputs.
    read : callable
        From a text to a value.
    write : callable
        From a value to a text that reads as an equal one; the text itself where none can be written.
    equal : callable
        Whether two values are equal.
    """

    name: str
    texts: tuple[str, ...]
    read: Callable[[str], Any]
    write: Callable[[Any], str] | None = None
    equal: Callable[[Any, Any], bool] = lambda one, other: bool(one == other)


def _of_file(read: Callable[..., Any], suffix: str = ".yaml", **options: Any) -> Callable[[str], Any]:
    return lambda text: read(InputFile(Path(f"input{suffix}"), "input", text, "0" * 64), "PLACE", **options).value


def _zoo(kind: str, *names: str) -> tuple[str, ...]:
    return tuple((ROOT / kind / name).read_text() for name in names)


def _document(value: Any) -> str:
    return json.dumps(value, default=str)


def _s(seconds: float) -> str:
    return f"{seconds!r} s"


def _network(spec: Any) -> str:
    bandwidths = spec.bandwidths or [None] * len(spec.topology.dimensions)
    dimensions = [
        {"block": str(each.block), "size": each.size, "level": each.level, "latency": _s(each.latency)}
        | ({} if bandwidth is None else {"bandwidth": f"{bandwidth!r} B/s"})
        for each, bandwidth in zip(spec.topology.dimensions, bandwidths, strict=True)
    ]
    return _document({"dimensions": dimensions, "source": spec.topology.source})


def _same_network(one: Any, other: Any) -> bool:
    return (one.topology.dimensions, one.bandwidths) == (other.topology.dimensions, other.bandwidths)


def _network_line(spec: Any) -> str:
    pairs = zip(spec.topology.dimensions, spec.bandwidths, strict=True)
    return " x ".join(f"{each.block}({each.size})@{b!r}B/s,{each.latency!r}s" for each, b in pairs)


_WORDS = {None: "NONE", Collective.ALL_REDUCE: "ALLREDUCE", Collective.ALL_GATHER: "ALLGATHER",
          Collective.REDUCE_SCATTER: "REDUCESCATTER", Collective.ALL_TO_ALL: "ALLTOALL"}  # fmt: skip


def _layers(read: Any) -> str:
    lines = []
    for each in read.layers:
        words = [each.name, "-1"]
        for one in (each.forward, each.input_gradient, each.weight_gradient):
            words += [repr(one.compute * 1e9), _WORDS[one.collective], repr(one.size)]
        last = [] if each.activations is None else [f"activations={each.activations!r}"]
        lines.append(" ".join([*words, "0", *last]))
    return "\n".join(lines)


def _same_layers(one: Any, other: Any) -> bool:
    def rounded(layer: Any) -> Any:  # a time goes through nanoseconds
        phases = (layer.forward, layer.input_gradient, layer.weight_gradient)
        return layer.name, layer.activations, [(float(f"{p.compute:.12g}"), p.collective, p.size) for p in phases]

    return list(map(rounded, one.layers)) == list(map(rounded, other.layers))


def _costs(model: Any) -> str:
    def price(value: float | None) -> str | None:
        return None if value is None else f"${value!r} per B/s"

    prices = {
        name: {key: price(each) for key, each in dataclasses.asdict(level).items() if each is not None}
        for name, level in model.levels.items()
    }
    return _document({"count_links": "twice" if model.counts_both_directions else "once", "prices": prices})


def _same_costs(one: Any, other: Any) -> bool:
    return (one.levels, one.counts_both_directions) == (other.levels, other.counts_both_directions)


def _cluster(value: Any) -> str:
    gpus = dict(zip(value.types, value.counts, strict=True))
    return _document({"name": value.name, "source": value.source, "gpus": gpus})


def _step_times(value: Any) -> str:
    kind = value.kinds[0] if value.kinds else ""
    return csv_text([*RATES, "kind"], [(*key, repr(seconds), kind) for key, seconds in value.seconds.items()])


def _trace(value: Any) -> str:
    jobs = [value.classes[index] for index in value.class_index]
    rows = [
        (name, repr(float(submit)), job.model, job.max_parallelism, job.batch_size, repr(float(work)),
         "yes" if job.heterogeneous else "no", job.gpu_type)
        for name, submit, work, job in zip(value.names, value.submit, value.work, jobs, strict=True)
    ]  # fmt: skip
    return csv_text(table.COLUMNS, rows)


def _same_trace(one: Any, other: Any) -> bool:
    arrays = ("submit", "work", "class_index")
    same = all(bool((getattr(one, name) == getattr(other, name)).all()) for name in arrays)
    return same and (list(one.names), one.classes) == (list(other.names), other.classes)


def _device(value: Any) -> str:
    fields = {dtype: f"{peak!r} FLOP/s" for dtype, peak in value.peaks.items()}
    fields |= {"memory": f"{value.memory!r} B", "memory_bandwidth": f"{value.bandwidth!r} B/s"}
    fields["l2"] = f"{value.cache!r} B"
    return _document(fields | {"multiprocessors": value.processors, "link_bandwidth": "1 GB/s",
                               "boost_clock": f"{value.clock!r} Hz"})  # fmt: skip


def _same_device(one: Any, other: Any) -> bool:
    names = ("peaks", "memory", "bandwidth", "cache", "clock", "processors")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _references(value: Any) -> str:
    fields = dataclasses.asdict(value)
    fields["limits"] = {name: f"{each!r} B/s" for name, each in value.limits.items()}
    fields["perf_per_cost_over_2D"] = fields.pop("perf_per_cost_over_2d")
    for row in fields["table6"]:
        row["bandwidths"], row["time"] = [f"{each!r} B/s" for each in row["bandwidths"]], _s(row["time"])
    return _document(fields)


def _policy(text: str) -> Any:
    return with_options(EasyScaleHeter, text, "--policy")


def _constraint_lines(constraints: Any) -> str:
    def one(each: Any) -> str:
        terms = " + ".join(f"{c!r}*b{i}" for i, c in enumerate(each.coefficients, 1)).replace("+ -", "- ")
        bound = max(-LARGEST, min(each.bound / 1e9, LARGEST))  # which the division may miss by a rounding
        return f"{terms} {each.sense.value} {bound!r}"

    return one(constraints[0])


def _same_constraints(one: Any, other: Any) -> bool:
    first, again = one[0], other[0]
    close = abs(first.bound - again.bound) <= 1e-9 * abs(first.bound)
    return close and (first.coefficients, first.sense) == (again.coefficients, again.sense)


def _communicators(groups: Any) -> str:
    return _document({"F": groups.tp, "I": groups.tp, "W": groups.dp})


def _read_communicators(text: str) -> Any:
    return libra.parse_communicators(InputFile(Path("input.json"), "input", text, "0" * 64))


_NET = Topology("net", (Dimension(Block.RING, 4), Dimension(Block.SWITCH, 8)))
_CLUSTER = read_cluster("sc23").value
_HEAD = BUNDLED["sc23"].read_text().splitlines()
_ARTIFACT = ",".join(easyscale.COLUMNS) + "\nbert-0,115,bert,16,8,4,1,v100\nncf-1,120.5,ncf,4,1024,3,0,p100\n"
_PROFILE = json.loads((ROOT / "profiles" / "cpu.json").read_text())
_PROFILE = profile_text(
    read_profile(
        InputFile(
            Path("p.json"), "p",
            json.dumps((cut := {**_PROFILE, "samples": _PROFILE["samples"][:3], "fits": _PROFILE["fits"][:3]})
                       | {"sha256": content_hash(cut)}), "0" * 64,
        )
    ).value
)  # fmt: skip
_LAYERS = (
    "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 4 checkpoints: 1 0 checkpoint_initiates: 1 1\n2\n"
    "Q1 -1 9375000 NONE 0 9375000 ALLREDUCE 805306368 9375000 ALLREDUCE 18874368 10\n"
    "Q2 -1 10 ALLTOALL 100 10 NONE 0 5 REDUCESCATTER 64 10 activations=4096\n"
)
_OWN = "hidden: 64\nlayers: 2\nheads: 8\nsequence: 32\nbatch: 2\ngated: true\ntp: 2\ndp: 2\nrate: 60 TFLOP/s\n"
_HF = json.dumps({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                  "num_key_value_heads": 2, "intermediate_size": 128, "max_position_embeddings": 32, "vocab_size": 100,
                  "torch_dtype": "bfloat16", "tie_word_embeddings": False}, indent=1)  # fmt: skip
_CONFIGS = (
    _HF,
    json.dumps({"model_type": "deepseek_v3", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
                "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 64, "q_lora_rank": 24,
                "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 12,
                "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1, "moe_intermediate_size": 32,
                "first_k_dense_replace": 1}),
    json.dumps({"model_type": "gpt_neo", "hidden_size": 64, "num_layers": 4, "num_heads": 4, "vocab_size": 100,
                "max_position_embeddings": 64, "window_size": 16, "attention_types": [[["global", "local"], 2]]}),
    json.dumps({"model_type": "t5", "d_model": 64, "num_layers": 2, "num_heads": 4, "d_kv": 16, "d_ff": 128,
                "vocab_size": 100, "is_encoder_decoder": True, "feed_forward_proj": "gated-gelu"}),
    json.dumps({"model_type": "gemma3", "text_config": {"hidden_size": 64, "intermediate_size": 96,
                "num_hidden_layers": 7, "sliding_window": 16, "model_type": "gemma3_text", "layer_types": None},
                "vision_config": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
                "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "vision_use_head": False}}),
    json.dumps({"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 64, "type_vocab_size": 2,
                "architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b"}}),
    json.dumps({"model_type": "qwen2_moe", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
                "intermediate_size": 96, "vocab_size": 100, "max_position_embeddings": 64, "num_experts": 8,
                "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 64,
                "decoder_sparse_step": 2, "mlp_only_layers": [3]}),
)  # fmt: skip
_FOREIGN = json.dumps({"npus-count": [8, 4], "topology": ["Ring", "Switch"], "network-type": ["a", "b"]})

CASES = (
    Case("network", _zoo("networks", "4D.yaml", "DGX-like.yaml"), _of_file(read_network), _network, _same_network),
    Case("foreign network", (_FOREIGN,), _of_file(read_network, ".json"), _network, _same_network),
    Case("cluster network", _zoo("networks", "dgx-h100.yaml"),
         _of_file(lambda file, place: network_for(file, 16, place)), _network, _same_network),
    Case("network string", ("Ring(4)@200GB/s,500ns x FC(8)@140GiB/s x Switch(4)@50GB/s,1us",), parse_network,
         _network_line, _same_network),
    Case("layers", (_LAYERS,), lambda text: parse_layers(Path("input.txt"), text), _layers, _same_layers),
    Case("workload", (_OWN, _LAYERS, _HF), _of_file(read_workload, tp=2, dp=2)),
    Case("group", ("group: [17B, 175B]\n",), _of_file(read_workloads, npus=1024)),
    Case("model", (_OWN, *_CONFIGS, *_zoo("models", "bert-base.yaml", "swin-t.yaml", "deepseek-v2-lite.yaml")),
         _of_file(read_model)),
    Case("family", _zoo("families", "falcon.yaml", "qwen2_5_vl_vision.yaml", "t5.yaml"), _of_file(read_family)),
    Case("profile", (_PROFILE,), _of_file(read_profile, ".json"), profile_text),
    Case("published profile", _zoo("profiles", "v100-16gb.yaml"), _of_file(read_profile)),
    Case("costs", (*_zoo("costs", "sc245.yaml"), json.dumps({"Tile": {"Link": 2.0}, "Pod": {"Link": 7}})),
         _of_file(read_costs), _costs, _same_costs),
    Case("cluster", _zoo("clusters", "sc23.yaml"), _of_file(read_cluster), _cluster),
    Case("step times", _zoo("rates", "sc23-fitted.csv"),
         _of_file(read_step_times, ".csv"), _step_times, lambda a, b: a.seconds == b.seconds),
    Case("trace", ("\n".join(_HEAD[:8]),), lambda text: table.read(text, "input"), _trace, _same_trace),
    Case("artifact's trace", (_ARTIFACT,), lambda text: easyscale.read(text, "input")),
    Case("generator", ("synthetic:jobs=10,load=0.9", "synthetic-elastic:jobs=5"),
         lambda text: read_trace(text, "TRACE", cluster=_CLUSTER).value),
    Case("communicators", (json.dumps({"F": [2, -1], "I": [2, -1], "W": [1, 8]}),),
         _read_communicators, _communicators),
    Case("applications", _zoo("applications", "easyscale-sc23.yaml"), _of_file(read_applications),
         lambda value: _document({"name": "n", "source": "s", "samples_per_epoch": value})),
    Case("references", _zoo("references", "sc245.yaml"), _of_file(read_references), _references),
    Case("device", _zoo("devices", "v100-16gb.yaml"), _of_file(read_device), _device, _same_device),
    Case("operators", _zoo("operators", "aceso.yaml"), _of_file(read_timed_models)),
    Case("catalogue", ("networks 4D", "rates unit", "profiles cpu"),
         lambda text: catalogue.entry(*(text.split(" ", 1) if " " in text else (text, "")))),
    Case("policy", ("max_waste=0.2,max_growth=4",), _policy, lambda value: value.label().partition(":")[2]),
    Case("constraint", ("b1 >= 2*b2", "b3 + b4 = 200", "total <= 1000", "-b1/2 + 3*(b2 - b3) <= 1e2"),
         lambda text: parse_constraint(text, 4, "constraint"), _constraint_lines, _same_constraints),
    Case("time", ("500 ns", "1.5us", "3 min"), lambda text: parse(text, "time", "PLACE"), _s),
    Case("bytes", ("1 GiB", "2.5MB"), parse_size, lambda value: f"{value!r} B"),
    Case("bandwidth", ("325", "325 GB/s", "1e3"), parse_budget, lambda value: f"{value!r} B/s"),
    Case("sizes", ("512x512x512",), lambda text: sizes(text, 3, "SHAPE", "1x1x1"), lambda v: "x".join(map(str, v))),
    Case("ranks", ("0-3,8-11", "0,4,8"), lambda text: parse_group(text, _NET)),
    Case("algorithms", ("ring,direct", "ring"), lambda text: parse_algorithms(text, _NET)),
)  # fmt: skip


def altered(text: str, chance: random.Random) -> str:
    """Return a text with another number or name in it, or now and then with anything done to it."""
    if chance.random() < 0.25:
        return mutated(text, chance)
    return chance.choice((_number, _number, _name))(text, chance)


def mutated(text: str, chance: random.Random) -> str:
    """Return a text with one to three things done to it."""
    if chance.random() < 0.15 and text.lstrip().startswith("{"):
        return _leaf(text, chance)
    for _ in range(chance.choice((1, 1, 2, 3))):
        text = chance.choice(_MUTATIONS)(text, chance)
    return text


def _word(text: str, chance: random.Random) -> tuple[int, int]:
    """Return where a word or a number of a text stands."""
    starts = [i for i in range(len(text)) if text[i].isalnum() and (i == 0 or not text[i - 1].isalnum())]
    if not starts:
        return 0, 0
    start = chance.choice(starts)
    end = start
    while end < len(text) and (text[end].isalnum() or text[end] in "._-+"):
        end += 1
    return start, end


def _replaced(text: str, chance: random.Random) -> str:
    start, end = _word(text, chance)
    return text[:start] + chance.choice(HOSTILE) + text[end:]


def _number(text: str, chance: random.Random) -> str:
    """Put another number in place of one: legal as such, and often far beyond what any run can have."""
    at = [match.span() for match in re.finditer(r"(?<![\w.])[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?", text)]
    if not at:
        return text
    start, end = chance.choice(at)
    return text[:start] + chance.choice(NUMBERS) + text[end:]


def _name(text: str, chance: random.Random) -> str:
    """Put another name in place of all of one."""
    start, end = _word(text, chance)
    return text.replace(text[start:end], chance.choice(NAMES)) if end > start else text


def _inserted(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(HOSTILE) + text[at:]


def _deleted(text: str, chance: random.Random) -> str:
    start = chance.randint(0, len(text))
    return text[:start] + text[start + chance.randint(1, 20) :]


def _line_twice(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    return "\n".join([*lines[: at + 1], *lines[at:]])


def _line_moved(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(chance.randrange(len(lines)), lines.pop(chance.randrange(len(lines))))
    return "\n".join(lines)


def _swapped(text: str, chance: random.Random) -> str:
    start, end = _word(text, chance)
    other, stop = _word(text, chance)
    return text[:start] + text[other:stop] + text[end:]


def _letter(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chr(chance.choice((chance.randrange(128), chance.randrange(0x3000), 0x1F600))) + text[at + 1 :]


_MUTATIONS = (
    _replaced,
    _replaced,
    _number,
    _number,
    _name,
    _inserted,
    _inserted,
    _deleted,
    _line_twice,
    _line_moved,
    _swapped,
    _letter,
)
_VALUES = (
    "8",
    "x",
    "",
    "\x1b",
    None,
    True,
    False,
    [],
    {},
    -1,
    0,
    1.5,
    10**18,
    10**30,
    1e300,
    1e-300,
    1e-320,
    float("inf"),
    float("nan"),
    [[1]],
    {"a": {"a": 1}},
    "\u202e",
    "1e9",
    8.0,
)


def _leaf(text: str, chance: random.Random) -> str:
    """Return JSON with one value in place of another, and a hash that fits where there is one."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    parents = list(_containers(document))
    if not parents:
        return text
    parent = chance.choice(parents)
    key = chance.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    if chance.random() < 0.1 and isinstance(parent, dict):
        parent[chance.choice(("extra", "\x1b", key + "s"))] = parent.pop(key)
    else:
        parent[key] = chance.choice(_VALUES)
    if "sha256" in document:
        try:
            document["sha256"] = content_hash(document)
        except ValueError:
            document["sha256"] = "0" * 64
    return json.dumps(document)


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _containers(each)


class TooSlow(Exception):
    """A text took longer than `SECONDS`."""


@contextmanager
def limited(seconds: float = SECONDS) -> Iterator[None]:
    """Raise `TooSlow` in a block that takes longer, where the system has an alarm."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 4 * seconds)  # of a machine with other work to do
    started = time.process_time()
    try:
        yield
        if time.process_time() - started > seconds:
            raise TooSlow
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(case: Case, text: str) -> str:
    """Read a text and return ``read``, ``refused``, or what is wrong with what came of it."""
    try:
        with limited():
            try:
                value = case.read(text)
            except InputError as error:
                return message_fault(str(error)) or "refused"
            again = case.read(text if case.write is None else case.write(value))
    except TooSlow:
        return f"longer than {SECONDS} s"
    except InputError as error:
        return f"what is written of it is refused: {error}"
    except Exception:
        return traceback.format_exc()
    return "read" if _equal(case, value, again) else f"read back as another value: {value!r:.500} {again!r:.500}"


def _equal(case: Case, value: Any, again: Any) -> bool:
    if hasattr(value, "submit"):
        return _same_trace(value, again)
    return case.equal(value, again)


def message_fault(message: str) -> str:
    """Return what is wrong with a message; nothing for one that a terminal shows as it is."""
    if len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} characters: {message[:200]}"
    lines = message.split("\n")
    if len(lines) not in (1, 3) or any(CONTROL.search(line) for line in lines):
        return f"a message that a terminal acts on: {message!r}"
    return ""


def faults(seed: int, count: int) -> Iterator[tuple[str, str, str]]:
    """Yield reader, text and fault of every mutation that is neither read nor refused as it must be."""
    chance = random.Random(seed)
    for index in range(count):
        case = CASES[index % len(CASES)]
        text = mutated(chance.choice(case.texts), chance)
        said = outcome(case, text)
        if said not in ("read", "refused"):
            yield case.name, text, said


def main() -> None:
    """Try as many mutations as the command line asks for, print the faults, and exit with 1 if there is one."""
    parser = argparse.ArgumentParser(description="Try hostile input on every reader.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20_000)
    given = parser.parse_args()
    number = 0
    for name, text, fault in faults(given.seed, given.count):
        number += 1
        sys.stdout.write(f"{name}: {text!r:.2000}\n{fault}\n\n")
    sys.stdout.write(f"{given.count:,} mutations with seed {given.seed}: {number} faults\n")
    sys.exit(number > 0)


if __name__ == "__main__":
    main()
