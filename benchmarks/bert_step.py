"""A training step of BERT base in plain torch on one CPU thread, beside the step predicted from a profile.

    python benchmarks/bert_step.py [profile] [batch] [steps]

The step is written out here as a user would write it: biases, scaled scores, transposed heads, everything that the
prediction leaves out is in it. Prints the median CPU time of a step [s], the prediction and their ratio.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.lowering import lower_on_profile
from simcore.readers.models import read_model
from simcore.readers.profiles import read_profile
from simcore.studies.rates.run import minibatch_seconds
from torch import nn


class Block(nn.Module):
    """Attention with the scores in memory, and a feed-forward network, each with dropout, residual and layer norm."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        h = model.hidden
        self.heads = model.heads or 1
        self.q, self.k, self.v, self.o = (nn.Linear(h, h) for _ in range(4))
        self.up, self.down = nn.Linear(h, model.inner), nn.Linear(model.inner, h)
        self.first, self.second, self.drop = nn.LayerNorm(h), nn.LayerNorm(h), nn.Dropout(model.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return activations of the same shape."""
        b, s, h = x.shape
        q, k, v = (f(x).view(b, s, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = self.drop(torch.softmax(q @ k.transpose(2, 3) / (h // self.heads) ** 0.5, -1))
        x = self.first(x + self.drop(self.o((scores @ v).transpose(1, 2).reshape(b, s, h))))
        return self.second(x + self.drop(self.down(nn.functional.gelu(self.up(x)))))


class Bert(nn.Module):
    """Embedding, blocks, and an output layer over the tokens."""

    def __init__(self, model: Transformer, sequence: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(model.vocabulary or 1, model.hidden)
        self.positions = nn.Parameter(torch.randn(sequence, model.hidden))
        self.drop = nn.Dropout(model.dropout)
        self.blocks = nn.Sequential(*(Block(model) for _ in range(model.blocks)))
        self.output = nn.Linear(model.hidden, model.columns)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return scores of every token."""
        return self.output(self.blocks(self.drop(self.embedding(tokens) + self.positions)))


def measure(model: Transformer, batch: Batch, steps: int) -> list[float]:
    """Return CPU seconds of steps after a first one."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    bert = Bert(model, batch.sequence)
    optimizer = torch.optim.Adam(bert.parameters(), fused=True)
    shape = (batch.sequences, batch.sequence)
    found = []
    for _ in range(steps + 1):
        tokens, answers = torch.randint(model.vocabulary or 1, shape), torch.randint(model.columns, shape)
        started = time.process_time()
        loss = nn.functional.cross_entropy(bert(tokens).flatten(0, 1), answers.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(time.process_time() - started)
    return found[1:]


def main() -> None:
    name, batch, steps = [*sys.argv[1:], *["cpu", "1", "5"][len(sys.argv) - 1 :]]
    model = read_model("bert-base").value
    run = model.run(batch=int(batch))
    predicted = minibatch_seconds(lower_on_profile(model.architecture, run, 1, 1, read_profile(name).value))
    measured = measure(model.architecture, run, int(steps))
    middle, spread = statistics.median(measured), max(measured) - min(measured)
    print(f"bert-base, batch {batch}, one thread: measured {middle:.3f} s (spread {spread:.3f} s over {steps} steps)")
    print(f"predicted from {name}: {predicted:.3f} s, predicted / measured - 1 = {predicted / middle - 1:+.1%}")


if __name__ == "__main__":
    main()
