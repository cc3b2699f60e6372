"""What a user may name as a policy: one that comes with simcore, a plug-in's, or a class in a file."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError, by_name
from simcore.models.cluster.policies.options import with_options
from simcore.models.cluster.policy import Policy
from simcore.plugins import load

ENTRY_POINTS = "simcore.policies"  # the group by which an installed package offers its policies
EXPERIMENT = ("yarn-cs", "fifo", "easyscale-homo", "easyscale-heter")
"""The policies of EasyScale's trace experiment, which run where none are named."""
# in the order of the reports
POLICIES = {
    "yarn-cs": "simcore.models.cluster.policies.yarn_cs:YarnCs",
    "fifo": "simcore.models.cluster.policies.fifo:Fifo",
    "easyscale-homo": "simcore.models.cluster.policies.easyscale.policy:EasyScaleHomo",
    "easyscale-heter": "simcore.models.cluster.policies.easyscale.policy:EasyScaleHeter",
    "fifo-skip": "simcore.models.cluster.policies.fifo_skip:FifoSkip",
    "easy-backfill": "simcore.models.cluster.policies.easy_backfill:EasyBackfill",
    "conservative-backfill": "simcore.models.cluster.policies.conservative_backfill:ConservativeBackfill",
    "sjf": "simcore.models.cluster.policies.sjf:Sjf",
    "qssf": "simcore.models.cluster.policies.qssf:Qssf",
    "srtf": "simcore.models.cluster.policies.srtf:Srtf",
    "srsf": "simcore.models.cluster.policies.srsf:Srsf",
    "las": "simcore.models.cluster.policies.las:Las",
    "tiresias": "simcore.models.cluster.policies.tiresias:Tiresias",
    "gittins": "simcore.models.cluster.policies.gittins:Gittins",
    "priority": "simcore.models.cluster.policies.priority:Priority",
    "drf": "simcore.models.cluster.policies.drf:Drf",
    "gavel": "simcore.models.cluster.policies.gavel:Gavel",
    "finish-time-fairness": "simcore.models.cluster.policies.finish_time_fairness:FinishTimeFairness",
    "themis": "simcore.models.cluster.policies.themis:Themis",
    "optimus": "simcore.models.cluster.policies.optimus:Optimus",
}


def find_policy(text: str, place: str = "policies") -> Policy:
    """Make the policy that a text names.

    Parameters
    ----------
    text : str
        A name or ``FILE.py:CLASS``, then perhaps options: ``fifo``, ``easyscale-heter:max_growth=4``,
        ``mine.py:MyPolicy:quantum=60``. Names are those of `POLICIES`, and of installed packages that have an entry
        point of the group ``simcore.policies``.
    place : str
        The argument that gave it, for messages.

    Raises
    ------
    InputError
        If there is no such policy, it is none, or it has no such option.

    Examples
    --------
    >>> find_policy("fifo").gang, find_policy("easyscale-heter:max_waste=0.2,max_growth=4")
    (True, EasyScaleHeter(max_waste=0.2, max_growth=4.0))
    """
    name, options = _split(text)
    return with_options(policy_class(name, place), options, f"{place} {name}")


def policy_class(name: str, place: str = "policies") -> type[Policy]:
    """Return the class that a name without options means.

    Raises
    ------
    InputError
        If there is no such policy, or it is none.

    Examples
    --------
    >>> policy_class("sjf").oracle
    True
    """
    policy = load(name, ENTRY_POINTS, POLICIES, place)
    if not (isinstance(policy, type) and issubclass(policy, Policy) and policy.decide is not Policy.decide):
        expected = "a class derived from simcore.cluster.Policy that has a method decide(view)"
        raise InputError(place, f"'{name}', which is no policy", expected)
    return policy


def listed(text: str) -> list[str]:
    """Split a list of policies at its commas; those between the options of a policy stay.

    Examples
    --------
    >>> listed("fifo,sjf:estimate=noisy,noise=0.2,mine.py:Mine")
    ['fifo', 'sjf:estimate=noisy,noise=0.2', 'mine.py:Mine']
    """
    policies: list[str] = []
    for part in text.split(","):
        if policies and "=" in part and ":" not in part:
            policies[-1] += f",{part}"
        else:
            policies.append(part)
    return policies


def policy_name(text: str) -> str:
    """Return the text of a policy as results spell it: the names of `POLICIES` are read in any case.

    Examples
    --------
    >>> policy_name("EasyScale-Heter:max_growth=4"), policy_name("mine.py:Mine")
    ('easyscale-heter:max_growth=4', 'mine.py:Mine')
    """
    name, _ = _split(text)
    return (by_name(name, POLICIES) or name) + text[len(name) :]


def bare_name(text: str) -> str:
    """Return what names a policy, without its options.

    Examples
    --------
    >>> bare_name("tiresias:thresholds=5,within=entry"), bare_name("mine.py:Mine:a=1")
    ('tiresias', 'mine.py:Mine')
    """
    return _split(text)[0]


def policy_file(text: str) -> Path | None:
    """Return the file that defines the policy that a text names, None for one that no file defines.

    Examples
    --------
    >>> policy_file("fifo"), policy_file("mine.py:Mine:a=1").name
    (None, 'mine.py')
    """
    name, _ = _split(text)
    file, dot, _ = name.rpartition(".py:")
    return Path(f"{file}.py") if dot else None


def _split(text: str) -> tuple[str, str]:
    """Split a text into what names the policy, and its options.

    Examples
    --------
    >>> _split("fifo"), _split("mine.py:Mine:a=1,b=c:d"), _split("easyscale-heter:max_growth=4")
    (('fifo', ''), ('mine.py:Mine', 'a=1,b=c:d'), ('easyscale-heter', 'max_growth=4'))
    """
    file, dot, rest = text.partition(".py:")
    if dot:
        name, _, options = rest.partition(":")
        return f"{file}.py:{name}", options
    name, _, options = text.partition(":")
    return name, options
