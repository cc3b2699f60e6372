"""EasyScale (SC'23): the policy, its growth proposals in closed form, and the rule for ties."""

from __future__ import annotations

from simcore.models.cluster.policies.easyscale.policy import EasyScaleHeter, EasyScaleHomo

__all__ = ["EasyScaleHeter", "EasyScaleHomo"]
