"""A scheduling policy: it sees a view of the cluster, and decides which placements change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass
from simcore.models.cluster.room import Change
from simcore.models.cluster.rules import Rules
from simcore.models.cluster.step_times import StepTimes
from simcore.models.cluster.view import View


@dataclass(slots=True)  # not frozen: a frozen one costs as much as the rest of a round
class Decision:
    """What a policy decides.

    Attributes
    ----------
    changes : sequence of (int, Placement or None)
        Rows and the placements that they get; None takes a job's GPUs away, and its work is kept. They are carried out
        in this order.
    again_at : float or None
        When to decide again even if no job arrives or finishes before [s]; the round at or after that time is taken.
        With ``view.now`` the policy is asked at the next round, or at once where decisions are event-driven. None: only
        an arrival or a completion can change the decision, and rounds without one are skipped.
    """

    changes: Sequence[Change] = ()
    again_at: float | None = None


NOTHING = Decision()


class Policy:
    """Base of all policies: a subclass writes `decide`.

    The options of a policy are the fields of its class, as a dataclass: a name, a type (bool, int, float or str) and a
    default. ``--policy name:option=value`` sets them.

    Attributes
    ----------
    gang : bool
        Whether every job runs on its full gang and on nothing else: as many GPUs of its preferred type as it has
        threads. A job whose gang is larger than the cluster is then refused before the run.
    all_types : bool
        Whether heterogeneous jobs may run on every GPU type: their step times must be known for all.
    oracle : bool
        Whether the policy reads ``view.remaining`` or ``view.duration``. Results say so.
    divided : bool
        Whether the policy keeps virtual clusters apart; one that does not is refused where a cluster has some.
    restart_s : float or None
        Delay of a job that starts again after it was stopped or changed [s]; None: as the rules say.

    Examples
    --------
    Smallest gang first, and larger ones whenever they fit:

    >>> class SmallestFirst(Policy):
    ...     def decide(self, view):
    ...         room = view.room()
    ...         for row in sorted(view.waiting, key=lambda row: view.job(row).max_parallelism):
    ...             room.start(row)
    ...         return Decision(room.changes)
    """

    gang: ClassVar[bool] = True
    all_types: ClassVar[bool] = False
    oracle: ClassVar[bool] = False
    divided: ClassVar[bool] = True
    restart_s: float | None = None

    def label(self) -> str:
        """Return what results call the policy: its class, with the options that are not at their default.

        Examples
        --------
        >>> Policy().label()
        'Policy'
        """
        own: dict[str, Any] = (
            {each.name: each.default for each in fields(self) if each.init} if is_dataclass(self) else {}
        )
        options = ",".join(f"{name}={value}" for name in own if (value := getattr(self, name)) != own[name])
        return f"{type(self).__name__}:{options}" if options else type(self).__name__

    def refuses(self, job: JobClass, cluster: Cluster, step_times: StepTimes, rules: Rules) -> str | None:
        """Say what of a job the policy cannot run, None if it can; asked once per class, before the run."""
        return None

    def prepare(self, view: View) -> None:
        """Begin a run: nothing has arrived yet. A policy that keeps books opens them here."""

    def decide(self, view: View) -> Decision:
        """Return what changes now.

        Under event-driven decisions a decision that changes something and wants to be asked again at once is repeated:
        make sure that this ends.
        """
        raise NotImplementedError
