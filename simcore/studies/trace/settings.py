"""Settings of the cluster study as objects: policies, interval, rule set, placement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from numbers import Real
from typing import get_args, get_type_hints

from simcore.errors import InputError, by_name, field, unknown_name
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.policies.registry import EXPERIMENT, bare_name, find_policy, listed, policy_name
from simcore.models.cluster.policy import Policy
from simcore.models.cluster.rules import RULES, Rules
from simcore.numerals import as_real, of_float
from simcore.studies.trace.request import LONGEST_INTERVAL, SHORTEST_INTERVAL, SWITCHES, TraceRequest


def policies_of(given: Sequence[str | Policy], trace: Trace) -> dict[str, Policy]:
    """Return the policies to run by their names, each once; without any those of the experiment, or fifo."""
    chosen: dict[str, Policy] = {}
    texts = [each for one in given for each in (listed(one) if isinstance(one, str) else [one])]
    for one in texts or (("fifo",) if trace.by_submission else EXPERIMENT):
        if isinstance(one, Policy):
            chosen.setdefault(one.label(), one)
        else:
            name = policy_name(one)
            chosen.setdefault(name, find_policy(one, field("policies")))
    return chosen


def restart_costs(given: str | float | Mapping[str, float] | None, policies: Mapping[str, Policy]) -> dict[str, float]:
    """Return what it costs to start a job again, by policy [s]; nothing of a policy that decides for itself.

    Parameters
    ----------
    given : str, float, mapping or None
        Seconds for all policies, ``POLICY=SECONDS`` with commas between, or both. A name stands for the policy with
        any options. Seconds for all leave a policy alone whose own option says what a restart costs.
    policies : mapping of str to Policy
        Those of the run by their names.

    Raises
    ------
    InputError
        If a policy is not among those of the run, is named twice, or has the option ``restart`` beside.

    Examples
    --------
    >>> from simcore.models.cluster.policies.registry import find_policy
    >>> run = {text: find_policy(text) for text in ("fifo", "srtf", "las:restart=5")}
    >>> restart_costs("30,srtf=0", run)
    {'fifo': 30.0, 'srtf': 0.0}
    """
    known = sorted({bare_name(name) for name in policies})
    for_all, costs = None, dict[str, float]()
    for name, seconds in _each_cost(given):
        if not name:
            if for_all is not None:
                what, remedy = "seconds for all policies twice", "Name a policy beside one of them."
                raise InputError(field("restart_cost"), what, "them once", remedy)
            for_all = seconds
            continue
        own = by_name(name, known)
        if own is None:
            raise unknown_name(field("restart_cost"), name, known)
        if own in costs:
            raise InputError(field("restart_cost"), f"{own} twice", "each policy once", "Remove one of them.")
        costs[own] = seconds
    found = {}
    for label, policy in policies.items():
        cost = costs.get(bare_name(label))
        if cost is not None and policy.restart_s is not None:
            raise InputError(
                field("restart_cost"), f"{bare_name(label)} beside the policy {label}", "one of the two",
                "Leave out the policy's option restart.",
            )  # fmt: skip
        if cost is None and policy.restart_s is None:
            cost = for_all
        if cost is not None:
            found[label] = cost
    return found


def _each_cost(given: str | float | Mapping[str, float] | None) -> Iterator[tuple[str, float]]:
    """Give each policy with its seconds, as they are written; no name stands for all policies."""
    pairs: Iterable[tuple[str, object]] = ()
    if isinstance(given, Mapping):
        pairs = given.items()
    elif isinstance(given, str):
        split = [(each, each.rpartition("=")) for each in given.split(",")]
        pairs = [(name.strip(), seconds) if name.strip() else ("", each) for each, (name, _, seconds) in split]
    elif given is not None:
        pairs = [("", given)]
    for name, seconds in pairs:
        value = as_real(seconds.strip()) if isinstance(seconds, str) else seconds
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_INTERVAL:
            expected = f"a number of seconds from 0 to {LONGEST_INTERVAL:,.0f}, or POLICY=SECONDS with commas between"
            raise InputError(field("restart_cost"), f"'{name}={seconds}'" if name else f"'{seconds}'", expected)
        yield name, float(value)


def interval_of(interval: float | str) -> float | None:
    """Return the interval [s], None for decisions at every event."""
    expected = f"a number of seconds from {SHORTEST_INTERVAL:g} to {LONGEST_INTERVAL:,.0f}, or 'event'"
    if interval == "event":
        return None
    try:
        seconds = float(interval)
        if isinstance(interval, str) and of_float(interval.strip()) is None:  # what only Python takes for a number
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(field("interval"), f"'{interval}'", expected) from None
    if isinstance(interval, bool) or not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        raise InputError(field("interval"), f"{interval}", expected, "The published experiment uses 60.")
    return seconds


def rules_of(request: TraceRequest, trace: Trace) -> Rules:
    """Return the rule set, with the switches that were given one by one."""
    given = request.rules
    if given is None:
        given = "corrected" if trace.by_submission else "published"
    if isinstance(given, str):
        name = by_name(given, RULES)
        if name is None:
            raise unknown_name(field("rules"), given, RULES)
        given = RULES[name]
    if isinstance(given, Mapping):
        names = [each.name for each in fields(Rules)]
        for name in given:
            if name not in names:
                raise unknown_name(f"{field('rules')}, field", str(name), names)
        given = Rules(**given)
    if not isinstance(given, Rules):
        raise InputError(field("rules"), f"{given!r}", f"one of {', '.join(RULES)}, or a Rules")
    switches = {name: getattr(request, name) for name in SWITCHES if getattr(request, name) is not None}
    rules = replace(given, **switches)
    for name, hint in get_type_hints(Rules).items():
        words, value = get_args(hint), getattr(rules, name)
        if words and value not in words:
            raise unknown_name(f"{field('rules')}, field '{name}'", str(value), words)
    delay = rules.startup_delay
    if isinstance(delay, bool) or not isinstance(delay, Real) or not 0 <= delay <= LONGEST_INTERVAL:
        expected = f"a number of seconds from 0 to {LONGEST_INTERVAL:,.0f}"
        raise InputError(field("startup_delay"), f"{delay}", expected)
    return rules
