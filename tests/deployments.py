"""Random deployments in which replicas send, each of a kind, small enough for a simulation on 1,024 chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from simcore.models.training.parallel.layout import FSDP, ContextExchange, Layout, Recompute
from simcore.models.training.parallel.simulate import simulate
from simcore.models.training.simulated import Settings

from tests.parallel import DENSE, MIXED, evaluator

KINDS = ("one chunk a rank", "several chunks a rank", "looped", "split backward passes", "shared dimensions")
ORDERS = {
    "one chunk a rank": (("1F1B", 1), ("GPipe", 1)),
    "several chunks a rank": (("interleaved", 2), ("interleaved", 3)),
    "looped": (("looped", 2), ("looped", 3)),
    "split backward passes": (("zero-bubble", 1), ("zero-bubble", 2), ("ZBV", 2), ("DualPipeV", 2)),
}


@dataclass(frozen=True)
class Deployment:
    """A layout, its model, and a network."""

    kind: str
    layout: Layout
    model: object
    sizes: tuple[int, ...]
    bandwidths: tuple[float, ...]

    def times(self, chunks=1024):
        """Return the closed form's time and the simulated one [s]."""
        return self.closed(), simulate(self.evaluator(), self.layout, Settings(chunks=chunks)).time

    def closed(self):
        return self.evaluator().evaluate(self.layout).time

    def evaluator(self):
        return evaluator(self.model, sizes=self.sizes, bandwidths=self.bandwidths)


def drawn(kind: str, seed: int) -> Deployment:
    """Return a deployment of a kind: order, ZeRO or FSDP, degrees, even or uneven stages, ratios of bandwidths."""
    random = Random(f"{kind} {seed}")
    shared = kind == "shared dimensions"
    pp = random.choice([1, 2, 4] if shared else [2, 3, 4])
    order, vp = random.choice([each for one in ORDERS.values() for each in one] if shared else ORDERS[kind])
    order, vp = (order, vp) if pp > 1 else ("1F1B", 1)
    tp, dp = random.choice([2, 4] if shared else [1, 1, 2]), random.choice([2, 4])
    experts = random.random() < 0.2
    cp = random.choice([1, 1, 1, 2])
    chunks = pp * vp
    zero = random.randrange(4)
    layers = tuple(random.randint(1, 3) for _ in range(chunks)) if random.random() < 0.5 else ()
    blocks = sum(layers) if layers else chunks * random.randint(1, 2)
    layout = Layout(
        tp=tp, cp=cp, pp=pp, vp=vp, dp=dp, ep=2 if experts else 1, order=order,
        micro_batches=pp * random.choice([2, 2, 3]) if pp > 1 else random.randint(1, 3), zero=zero,
        sequence_parallel=tp > 1 and random.random() < 0.5, recompute=random.choice(list(Recompute)),
        exchange=random.choice(list(ContextExchange)), bucket=random.choice([1e6, 2e7, 1e8, 1e9]),
        stage_layers=layers if pp > 1 else (),
    )  # fmt: skip
    if zero == 3 and random.random() < 0.5:
        layout = replace(layout, number_format=FSDP)
    one = tp * cp
    apart = [(one, dp, pp), (one, dp, pp), (one, 2, dp // 2, pp)]
    together = [(one * dp, pp), (one * dp // 2, 2, pp), (one, dp * pp), (one * dp * pp,)]
    sizes = random.choice(together if shared else apart)
    sizes = tuple(size for size in sizes if size > 1)
    fast = random.uniform(9.5, 11.3)
    bandwidths = tuple(10 ** (fast + random.uniform(-1, 0.3)) for _ in sizes)
    return Deployment(kind, layout, replace(MIXED if experts else DENSE, blocks=blocks), sizes, bandwidths)
