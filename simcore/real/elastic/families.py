"""Trainings of three families that come with simcore, small enough for a CPU; importing this module needs torch.

ResNet18 is our own definition: four stages of two blocks of two 3 x 3 convolutions on images of 8 x 8. Its first stage
has 16 channels. The transformer has two blocks, the MLP three products. All have dropout or batch norm, so that state
of the logical worker decides their numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from simcore.real.convolutional import unit
from simcore.real.elastic.training import Training

SAMPLES = 262
"""Samples of an epoch, which no number of workers divides; an epoch ends within a stage."""
CLASSES = 10
WIDTH = 16


class BasicBlock(nn.Module):
    """A residual block of ResNet18: two 3 x 3 convolutions, the first with the stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        last = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.body = nn.Sequential(unit(inputs, outputs, 3, stride), last, nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's change to its input."""
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet18 for small images: no pool behind its first convolution."""

    def __init__(self, width: int = WIDTH, classes: int = CLASSES) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        inputs = width
        for stage in range(4):
            outputs = width * 2**stage
            blocks += [BasicBlock(inputs, outputs, 2 if stage else 1), BasicBlock(outputs, outputs, 1)]
            inputs = outputs
        self.body = nn.Sequential(unit(3, width, 3), *blocks)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        scores: Tensor = self.head(self.body(x).mean((2, 3)))
        return scores


class Transformer(nn.Module):
    """Two blocks of attention and feed-forward with dropout, on rows of numbers as tokens."""

    def __init__(self, width: int = WIDTH, tokens: int = 12, rows: int = 64, classes: int = CLASSES) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(rows, width), nn.Parameter(torch.randn(tokens, width))
        block = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.1, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        scores: Tensor = self.head(self.blocks(self.tokens(x) + self.places).mean(1))
        return scores


def resnet18() -> Training:
    """Return the training of a convolutional network with batch norm; images are turned and moved at random."""
    return Training(ResNet18(), _data(torch.randn(SAMPLES, 3, 8, 8)), None, _turned)


def mlp() -> Training:
    """Return the training of an MLP with dropout."""
    layers = [nn.Linear(32, WIDTH), nn.ReLU(), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    return Training(nn.Sequential(*layers, nn.Linear(WIDTH, CLASSES)), _data(torch.randn(SAMPLES, 32)), None, _noisy)


def transformer() -> Training:
    """Return the training of a transformer with dropout."""
    return Training(Transformer(), _data(torch.randint(64, (SAMPLES, 12))))


def _data(inputs: Tensor) -> TensorDataset:
    """Return inputs with the class that a random linear rule gives them."""
    flat = functional.normalize(inputs.flatten(1).float(), dim=1)
    return TensorDataset(inputs, (flat @ torch.randn(flat.shape[1], CLASSES)).argmax(1))


def _turned(images: Tensor, generator: torch.Generator) -> Tensor:
    flipped = torch.rand(len(images), generator=generator) < 0.5
    moved = int(torch.randint(-2, 3, (), generator=generator))
    return torch.where(flipped[:, None, None, None], images.flip(3), images).roll(moved, 2)


def _noisy(rows: Tensor, generator: torch.Generator) -> Tensor:
    return rows + 0.1 * torch.randn(rows.shape, generator=generator)
