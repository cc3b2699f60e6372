"""What ``--vary`` says: options of a trace, the values that each takes, and the runs that follow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from simcore.errors import InputError, field, unknown_name
from simcore.files import sha256
from simcore.models.cluster.policies.registry import EXPERIMENT, find_policy, listed, policy_name
from simcore.models.cluster.policy import Policy
from simcore.models.cluster.rules import RULES
from simcore.numerals import as_real
from simcore.studies.request import defaults, descriptions, plain
from simcore.studies.trace.request import SWITCHES, TraceRequest
from simcore.studies.trace.seeds import varied
from simcore.studies.trace.settings import restart_costs
from simcore.studies.trace.sweep.request import TraceSweepRequest

POLICY = "policy"
OWN_VALUES: Mapping[str, tuple[Any, ...]] = {
    "load": (0.5, 0.8, 1.0, 1.2),
    "interval": (60.0, 300.0, "event"),
    "rules": tuple(RULES),
}
"""Values of an option that is varied without any being given."""
VARIED = (
    POLICY,
    "load",
    "interval",
    "placement",
    "cluster",
    "rates",
    "overheads",
    "workers",
    "rules",
    "window",
    "restart_cost",
    *SWITCHES,
)
"""Options that can be varied."""
_NUMBERS = ("load", "startup_delay", "restart_cost")
MOST_RUNS = 1_000_000


@dataclass(frozen=True)
class Cell:
    """One run of one policy: values of the varied options, and a seed.

    Attributes
    ----------
    values : tuple
        Of the axes, in their order.
    seed : int
        Of the run.
    request : TraceRequest
        The run.
    """

    values: tuple[Any, ...]
    seed: int
    request: TraceRequest

    @property
    def key(self) -> str:
        """A name that changes with the inputs."""
        return sha256(json.dumps(self.request.inputs(), sort_keys=True).encode())[:24]


def axes_of(request: TraceSweepRequest) -> dict[str, tuple[Any, ...]]:
    """Return the options that vary, each with its values; policies are an axis wherever there are several.

    Raises
    ------
    InputError
        If an option is unknown or comes twice, is given beside, or a value is wrong or comes twice.

    Examples
    --------
    >>> axes_of(TraceSweepRequest(policies=["fifo,sjf"], vary=["load=0.5,0.9,interval=60,event"]))
    {'load': (0.5, 0.9), 'interval': (60.0, 'event'), 'policy': ('fifo', 'sjf')}
    """
    axes: dict[str, tuple[Any, ...]] = {}
    for name, values in _parsed(request.vary).items():
        if name == POLICY:
            axes[name] = _policies(request, values)
            continue
        default = descriptions(TraceRequest)[name].choices or OWN_VALUES.get(name, ())
        given = [_value(name, word) for word in values] if values else list(default)
        if not given:
            raise InputError(f"{field('vary')} {_flag(name)}", "no values", f"some, as {_flag(name)}=V,V")
        _check(request, name, given)
        axes[name] = tuple(given)
    if not axes:
        expected = "options that vary, such as policy,load=0.6,0.9"
        raise InputError(field("vary"), "nothing", expected, "Or run simcore trace with --seeds.")
    if POLICY not in axes and len(policies := _policies(request, ())) > 1:
        axes[POLICY] = policies
    return axes


def _parsed(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return each option with its values as they are written; without any an empty list."""
    given: dict[str, list[str]] = {}
    name = ""
    for word in (word.strip() for text in texts if text.strip() for word in text.split(",")):
        head, equals, value = word.partition("=")
        known = head.strip().lower().removeprefix("--").replace("-", "_")
        if known in VARIED and (equals or not name or not given[name] or known not in given[name]):
            if known in given:
                raise InputError(field("vary"), f"{_flag(known)} twice", "each option once", "Put its values together.")
            name = known
            given[name] = [value.strip()] if equals else []
        elif name and given[name] and (not equals or name == POLICY):
            given[name].append(word)
        else:
            raise unknown_name(field("vary"), head, map(_flag, VARIED))
    if given.get(POLICY):
        given[POLICY] = listed(",".join(given[POLICY]))
    return given


def _policies(request: TraceSweepRequest, values: Sequence[str]) -> tuple[str | Policy, ...]:
    """Return the policies that run, those of ``--vary`` or of ``--policy``, each once."""
    if values and request.policies:
        raise InputError(field("policies"), "it beside --vary policy=", "one of the two", "Leave one out.")
    given: Sequence[str | Policy] = values or request.policies
    texts = [each for one in given for each in (listed(one) if isinstance(one, str) else [one])]
    chosen = {one.label() if isinstance(one, Policy) else policy_name(one): one for one in texts or EXPERIMENT}
    return tuple(one if isinstance(one, Policy) else name for name, one in chosen.items())


def _value(name: str, word: str) -> Any:
    if name not in _NUMBERS and not (name == "interval" and word != "event"):
        return word
    number = as_real(word)
    if number is None:
        expected = "a number of seconds, or event" if name == "interval" else "a number"
        raise InputError(f"{field('vary')} {_flag(name)}", f"'{word}'", expected)
    return number


def _check(request: TraceSweepRequest, name: str, values: Sequence[Any]) -> None:
    place = f"{field('vary')} {_flag(name)}"
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise InputError(place, f"{twice[0]} twice", "each value once", "Leave one of them out.")
    given = getattr(request, name)
    if given not in (None, defaults(TraceRequest)[name]):
        raise InputError(field(name), f"{given} beside {place}", "one of the two", f"Leave {field(name)} out.")
    for value in values:
        _set(request, name, value)


def _set(request: TraceSweepRequest, name: str, value: Any) -> None:
    """Let the request refuse a value that is none of an option's choices, before anything runs."""
    try:
        TraceRequest(**{name: value})
    except InputError as error:
        raise InputError(f"{field('vary')} {_flag(name)}", error.found, error.expected, error.remedy) from None


def _flag(name: str) -> str:
    return name.replace("_", "-")


def cells_of(request: TraceSweepRequest, axes: Mapping[str, tuple[Any, ...]]) -> tuple[list[Cell], list[str]]:
    """Return all runs in the order of the values, then of the seeds, and what seeds vary in any of them.

    Where no seed changes anything there is one run.

    Raises
    ------
    InputError
        If there are more than `MOST_RUNS`, or a policy or the cluster is wrong.
    """
    from simcore.models.cluster.cluster import Cluster
    from simcore.readers.clusters import read_cluster

    own = {name: getattr(request, name) for name in descriptions(TraceRequest)} | {"seeds": 1}
    if POLICY not in axes:
        own["policies"] = _policies(request, ())
    count = request.seeds
    for values in axes.values():
        count *= len(values)
    if count > MOST_RUNS:
        raise InputError(field("vary"), f"{count:,} runs", f"at most {MOST_RUNS:,}", "Vary less, or take fewer seeds.")
    costs = restart_costs(request.restart_cost, {} if "restart_cost" in axes else _by_name(request, axes))
    clusters: dict[str, Cluster] = {}
    cells, what = [], dict[str, None]()
    for values in product(*axes.values()):
        one = {("policies" if name == POLICY else name): value for name, value in zip(axes, values, strict=True)}
        if POLICY in axes:
            one["policies"] = (one["policies"],)
        if "restart_cost" not in axes:
            one["restart_cost"] = costs.get(_label((own | one)["policies"][0]))
        asked = TraceRequest(**(own | one))
        given = asked.cluster
        if not isinstance(given, Cluster):
            clusters.setdefault(str(given), read_cluster(given, field("cluster")).value)
        cluster = given if isinstance(given, Cluster) else clusters[str(given)]
        chosen = {
            str(plain(each)): each if isinstance(each, Policy) else find_policy(each, field("policies"))
            for each in asked.policies
        }
        changes = varied(asked, cluster, chosen)
        what |= dict.fromkeys(changes)
        for seed in range(request.seed, request.seed + (request.seeds if changes else 1)):
            shown = tuple(_label(each) if isinstance(each, Policy) else each for each in values)
            cells.append(Cell(shown, seed, asked.resolved(seed=seed)))
    return cells, list(what)


def _by_name(request: TraceSweepRequest, axes: Mapping[str, tuple[Any, ...]]) -> dict[str, Policy]:
    """Return all policies of a sweep by their names."""
    given = axes.get(POLICY) or _policies(request, ())
    return {_label(one): one if isinstance(one, Policy) else find_policy(one, field("policies")) for one in given}


def _label(policy: str | Policy) -> str:
    return policy.label() if isinstance(policy, Policy) else policy
