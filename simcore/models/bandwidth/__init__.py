"""The best split of a bandwidth budget: what is allowed, the search, its certificate and what the limits cost.

`region` and `expressions` say what is allowed. `relaxation` and `linear` are the linear programs. `time_search` and
`product_search` are the two searches, and `ties` is the choice among equal optima. `certificate` and `product_bounds`
are lower bounds, however a split was found. `plan` is the answer in numbers, with `shadow` for shadow prices and
`dimensions` for what each dimension does. `target` is what a plan makes least.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach

if TYPE_CHECKING:
    from simcore.models.bandwidth.dimensions import DimensionReport
    from simcore.models.bandwidth.expressions import parse_constraint
    from simcore.models.bandwidth.plan import BandwidthPlan, best_plan, best_split
    from simcore.models.bandwidth.region import Constraint, Region, cap, make_region, minimum
    from simcore.models.bandwidth.shadow import ShadowPrice
    from simcore.models.bandwidth.target import Target

__getattr__, __dir__ = attach(
    __name__,
    {
        "BandwidthPlan": "simcore.models.bandwidth.plan",
        "Constraint": "simcore.models.bandwidth.region",
        "DimensionReport": "simcore.models.bandwidth.dimensions",
        "Region": "simcore.models.bandwidth.region",
        "ShadowPrice": "simcore.models.bandwidth.shadow",
        "Target": "simcore.models.bandwidth.target",
        "best_plan": "simcore.models.bandwidth.plan",
        "best_split": "simcore.models.bandwidth.plan",
        "cap": "simcore.models.bandwidth.region",
        "make_region": "simcore.models.bandwidth.region",
        "minimum": "simcore.models.bandwidth.region",
        "parse_constraint": "simcore.models.bandwidth.expressions",
    },
)

__all__ = [
    "BandwidthPlan",
    "Constraint",
    "DimensionReport",
    "Region",
    "ShadowPrice",
    "Target",
    "best_plan",
    "best_split",
    "cap",
    "make_region",
    "minimum",
    "parse_constraint",
]
