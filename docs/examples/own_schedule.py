"""A schedule of one's own, beside those of simcore: it cuts a collective into as many chunks as pay."""

from simcore.network import (
    SCHEDULERS,
    ChunkPlan,
    Collective,
    CollectiveView,
    Scheduler,
    bounds,
    parse_network,
    scheduler,
    simulate_collective,
)


class FewerChunks(Scheduler):
    """Runs like ascending, in as many chunks as pay: more of them fill the dimensions, and each pays latency."""

    name = "fewer-chunks"

    def plan(self, view: CollectiveView) -> list[ChunkPlan]:
        def time(count: int) -> float:
            """Return when the last of so many chunks ends: all queue in the busiest dimension [s]."""
            plan = ChunkPlan(view.size / count, view.default_order)
            seconds, busy = view.seconds(plan), dict.fromkeys(plan.order, 0.0)
            for (dimension, _, _), each in zip(view.phases(plan), seconds, strict=True):
                busy[dimension] += each
            return sum(seconds) + (count - 1) * max(busy.values())

        best = min(range(1, view.chunks + 1), key=time)
        return [ChunkPlan(view.size / best, view.default_order)] * best


if __name__ == "__main__":
    network = parse_network("Ring(4)@200GB/s,500ns x FC(8)@140GB/s,700ns x Switch(4)@50GB/s,1us")
    for size in (2**20, 2**26, 2**30):
        what = Collective.ALL_REDUCE, size, network.topology, network.bandwidths
        least = bounds(*what, [each.size for each in network.topology.dimensions]).alpha_beta
        print(f"all-reduce of {size / 2**20:g} MiB")
        for schedule in [*map(scheduler, SCHEDULERS), FewerChunks]:
            run = simulate_collective(*what, chunks=64, schedule=schedule)
            print(f"  {schedule.name:14} {run.time * 1e6:10.2f} us, of which the bound is {least / run.time:6.1%}")
