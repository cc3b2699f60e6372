"""A scheduling policy of one's own: whoever had the fewest GPU-seconds runs, beside the policies of simcore."""

from dataclasses import dataclass

import simcore
from simcore.cluster import Decision, Policy, View


@dataclass
class LeastService(Policy):
    """The gangs of the jobs with the least attained service run; the others wait.

    Attributes
    ----------
    quantum : float
        The order is looked at again after this many seconds, if no job arrives or finishes before.
    """

    quantum: float = 600.0

    def decide(self, view: View) -> Decision:
        left = list(view.cluster.counts)
        chosen = []
        for row in sorted(view.active, key=view.attained):
            gang = view.gang(row)
            if all(n <= m for n, m in zip(gang.gpus, left, strict=True)):
                left = [m - n for n, m in zip(gang.gpus, left, strict=True)]
                chosen.append(row)
        stop = [(row, None) for row in view.running if row not in chosen]
        start = [(row, view.gang(row)) for row in chosen if view.placement[row] is None]
        return Decision(stop + start, again_at=view.now + self.quantum)


if __name__ == "__main__":
    result = simcore.trace(policies=["fifo", LeastService(), LeastService(quantum=60.0), "easyscale-homo"])
    for row, run in zip(result.table, result.runs, strict=True):
        print(
            f"{row['policy']:27}  mean JCT {row['mean_jct_s']:6.1f} s  median {row['median_jct_s']:6.1f} s  "
            f"makespan {row['makespan_s']:5.0f} s  {run.times.rescales.sum():4} changes  {run.log.events:4} events"
        )
