"""Neural collaborative filtering as a torch module; importing this module needs torch."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class NeuMF(nn.Module):
    """NeuMF: a product of factors beside a network of three layers, for the users and films of MovieLens-1M."""

    def __init__(self, users: int = 6040, films: int = 3706, factors: int = 32, layers: int = 3) -> None:
        super().__init__()
        width = factors * 2 ** (layers - 1)
        self.factors = nn.ModuleList(nn.Embedding(rows, factors) for rows in (users, films))
        self.features = nn.ModuleList(nn.Embedding(rows, width) for rows in (users, films))
        sizes = [2 * width // 2**number for number in range(layers + 1)]
        hidden: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            hidden += [nn.Dropout(), nn.Linear(inputs, outputs), nn.ReLU()]
        self.network = nn.Sequential(*hidden)
        self.head = nn.Linear(2 * factors, 1)

    def forward(self, pairs: Tensor) -> Tensor:
        """Return for pairs of a user and a film how likely they are to meet."""
        user, film = pairs[:, 0], pairs[:, 1]
        product = self.factors[0](user) * self.factors[1](film)
        deep = self.network(torch.cat([self.features[0](user), self.features[1](film)], dim=1))
        return torch.sigmoid(self.head(torch.cat([product, deep], dim=1)))
