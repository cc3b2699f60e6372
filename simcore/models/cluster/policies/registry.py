"""What a user may name as a policy: one that comes with simcore, a plug-in's, or a class in a file."""

from __future__ import annotations

from importlib import import_module

from simcore.errors import unknown_name
from simcore.models.cluster.policies.options import with_options
from simcore.models.cluster.policy import Policy

# in the order of the reports
POLICIES = {
    "yarn-cs": "simcore.models.cluster.policies.yarn_cs:YarnCs",
    "fifo": "simcore.models.cluster.policies.fifo:Fifo",
    "easyscale-homo": "simcore.models.cluster.policies.easyscale.policy:EasyScaleHomo",
    "easyscale-heter": "simcore.models.cluster.policies.easyscale.policy:EasyScaleHeter",
}


def find_policy(text: str, place: str = "policies") -> Policy:
    """Make the policy that a text names.

    Parameters
    ----------
    text : str
        A name, then perhaps options: ``fifo``, ``easyscale-heter:max_growth=4``.
    place : str
        The argument that gave it, for messages.

    Raises
    ------
    InputError
        If there is no such policy, or it has no such option.

    Examples
    --------
    >>> find_policy("fifo").gang, find_policy("easyscale-heter:max_waste=0.2,max_growth=4")
    (True, EasyScaleHeter(max_waste=0.2, max_growth=4.0))
    """
    name, _, options = text.partition(":")
    if name not in POLICIES:
        raise unknown_name(place, text, POLICIES)
    module, _, attribute = POLICIES[name].partition(":")
    return with_options(getattr(import_module(module), attribute), options, f"{place} {name}")
