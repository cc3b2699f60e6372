"""``simcore evaluate``: the figures and tables of a publication, made or measured."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simcore.errors import InputError, field, unknown_name
from simcore.studies.evaluate.request import EvaluateRequest
from simcore.studies.evaluate.result import Evaluation
from simcore.studies.evaluate.state import State
from simcore.studies.evaluate.targets import EXAMPLE, FAMILIES, TARGETS, Family
from simcore.studies.request import defaults, study


@study(EvaluateRequest)
def evaluate(
    request: EvaluateRequest,
    *,
    jobs: int | None = None,
    state: Path | State | None = None,
) -> Evaluation:
    """Evaluate one figure or table.

    For simulated points `evaluate.of` also takes ``jobs`` and ``state``, see
    `simcore.studies.evaluate.simulate.simulate_points`.

    Raises
    ------
    InputError
        For an unknown target, or where an input makes no sense for it.
    RunError
        If a plan does not converge.
    MissingExtraError
        If torch is needed and not installed.

    Examples
    --------
    >>> result = evaluate("network-fig12", small=True)
    >>> round(max(result.tables()["fig12"].column("speedup")), 3)
    1.094
    """
    family = _family(request.target)
    options = {"jobs": jobs, "state": state}
    _check(family, request, options)
    wanted = {name: options[name] for name in family.runtime if options[name] is not None}
    evaluation: Evaluation = importlib.import_module(family.module).evaluate(request, **wanted)
    return evaluation


def _family(target: str) -> Family:
    """Return what a target belongs to."""
    expected = f"one of {', '.join(TARGETS)}"
    if not target:
        raise InputError(field("target"), "nothing", expected, f"For example: simcore evaluate {EXAMPLE}.")
    if target in TARGETS:
        return TARGETS[target]
    # a figure without its study is a target's end; what letters alone are close to would be another figure
    ends = " or ".join(f"'{each}'" for each in TARGETS if each.endswith(f"-{target}"))
    if ends:
        raise InputError(field("target"), f"'{target}'", expected, f"Did you mean {ends}?")
    raise unknown_name(field("target"), target, TARGETS)


def _check(family: Family, request: EvaluateRequest, runtime: Mapping[str, Any]) -> None:
    """Refuse inputs that a family does not honour."""
    fallbacks = defaults(EvaluateRequest)
    others = {name for each in FAMILIES for name in each.fields}
    given = [name for name in fallbacks if name in others and getattr(request, name) != fallbacks[name]]
    for name in (*given, *(name for name, value in runtime.items() if value is not None)):
        if name not in (*family.fields, *family.runtime):
            what = next(each.what for each in FAMILIES if name in (*each.fields, *each.runtime))
            raise InputError(field(name), request.target, what, f"Leave {field(name)} out.")
