"""What a network costs: dollars per bandwidth of links, switches and NICs, level by level.

Cost is linear in the bandwidths: ``C(b) = sum_d c_d b_d``, where ``b_d`` is what one NPU has into dimension d [B/s].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simcore.errors import InputError
from simcore.models.network.ports import ports
from simcore.models.network.topology import Block, Dimension, Topology


@dataclass(frozen=True)
class LevelCost:
    """Prices of one level of a network.

    Attributes
    ----------
    link : float
        A link [$ per B/s].
    switch : float or None
        A switch port [$ per B/s]; None where the level has no switches.
    nic : float or None
        A network interface [$ per B/s]; None where none is needed.
    """

    link: float
    switch: float | None = None
    nic: float | None = None


@dataclass(frozen=True)
class CostModel:
    """Prices of all levels, and how links are counted.

    Attributes
    ----------
    name : str
        For example ``sc245``.
    levels : mapping of str to LevelCost
        By the level's name: ``Tile``, ``Package``, ``Node``, ``Pod``.
    counts_both_directions : bool
        Whether the link that joins two NPUs is paid once for each of them, as LIBRA does, or once.
    source : str
        Where the prices come from.
    """

    name: str
    levels: Mapping[str, LevelCost]
    counts_both_directions: bool = False
    source: str = ""


def cost_coefficients(topology: Topology, costs: CostModel) -> tuple[float, ...]:
    """Return what one B/s per NPU costs in each dimension, over the whole network.

    With N NPUs, a Ring or FullyConnected dimension has N b / 2 of link bandwidth, or N b where both directions are
    counted. A Switch has N b of links and of switch ports, and of NICs where the level prices them.

    Parameters
    ----------
    topology : Topology
        The network.
    costs : CostModel
        Prices of each of its levels.

    Returns
    -------
    tuple of float
        ``c_d`` [$ per (B/s per NPU)], inner dimension first.

    Raises
    ------
    InputError
        If a level has no price, or a Switch stands at a level without a price for switches.

    References
    ----------
    LIBRA (arXiv:2109.11762), section on the network cost model.

    Examples
    --------
    >>> from simcore.models.network.topology import Block, Dimension, Topology
    >>> pod = Topology("pod", (Dimension(Block.RING, 8, "Package"), Dimension(Block.SWITCH, 128, "Pod")))
    >>> prices = CostModel("x", {"Package": LevelCost(4e-9), "Pod": LevelCost(7.8e-9, 18e-9, 31.6e-9)})
    >>> [round(c * 1e9 / pod.npus, 9) for c in cost_coefficients(pod, prices)]
    [2.0, 57.4]
    """
    return tuple(topology.npus * _per_npu(dimension, costs) for dimension in topology.dimensions)


def _per_npu(dimension: Dimension, costs: CostModel) -> float:
    level = costs.levels.get(dimension.level)
    if level is None:
        raise InputError(
            f"cost model '{costs.name}'",
            f"no prices for level '{dimension.level}'",
            f"prices for each level of the network; it has {', '.join(costs.levels)}",
            "Add the level to the cost model, or choose another with --cost.",
        )
    if dimension.block is not Block.SWITCH:
        return level.link if costs.counts_both_directions else level.link / 2
    if level.switch is None:
        raise InputError(
            f"cost model '{costs.name}', level '{dimension.level}'",
            "no price for a switch",
            "a switch price, because the network has a Switch at this level",
            "Add the price, or choose another model with --cost.",
        )
    return level.link + level.switch + (level.nic or 0.0)


def network_cost(topology: Topology, costs: CostModel, bandwidths: Sequence[float]) -> float:
    """Return the cost of a network with the given bandwidths [$].

    Parameters
    ----------
    topology : Topology
        The network.
    costs : CostModel
        Prices of its levels.
    bandwidths : sequence of float
        Bandwidth of one NPU into each dimension [B/s], inner dimension first. Levels behind a shared port have one
        NIC, of the port's bandwidth.

    Examples
    --------
    The DGX-like network with 300 + 25 GB/s per NPU:

    >>> from simcore.models.network.topology import Block, Dimension, Topology
    >>> dgx = Topology("dgx", (Dimension(Block.SWITCH, 8, "Package"), Dimension(Block.SWITCH, 128, "Pod")))
    >>> prices = CostModel("x", {"Package": LevelCost(4e-9, 13e-9), "Pod": LevelCost(7.8e-9, 18e-9, 31.6e-9)})
    >>> round(network_cost(dgx, prices, [300e9, 25e9]), 2)
    6691840.0
    """
    whole = sum(c * b for c, b in zip(cost_coefficients(topology, costs), bandwidths, strict=True))
    return whole - _paid_twice(topology, costs, bandwidths)


def _paid_twice(topology: Topology, costs: CostModel, bandwidths: Sequence[float]) -> float:
    """Return what levels behind one port have paid for NICs beyond the one that they share [$]."""
    twice = 0.0
    for port, behind in ports(topology).items():
        prices = [costs.levels[topology.dimensions[d].level].nic or 0.0 for d in behind]
        paid = sum(price * bandwidths[d] for price, d in zip(prices, behind, strict=True))
        twice += topology.npus * (paid - max(prices) * port.bandwidth)
    return twice
