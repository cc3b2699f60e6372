"""Models that torch spreads over ranks learn what whole ones do: two processes, which send for real."""

from __future__ import annotations

import warnings
from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from simcore.models.training.language import gpt, llama  # noqa: E402
from simcore.real.language import language_model  # noqa: E402
from simcore.real.parallel import Spread, spread  # noqa: E402
from torch import distributed  # noqa: E402

WAYS = {
    "tensor": Spread(tp=2),
    "sequence": Spread(tp=2, sequence_parallel=True),
    "sharded": Spread(data=2),
}
MAKERS = {
    "gpt": lambda: language_model(gpt(32, 2, 4, vocabulary=64, positions=16, dropout=0.0)),
    "llama": lambda: language_model(llama(32, 2, 4, 2, 48, vocabulary=64)),
}


def loss_of(module, *, cut=False):
    """Return the loss of some tokens, with its gradients left in the module."""
    from torch.distributed.tensor.parallel import loss_parallel

    numbers = torch.arange(32).view(2, 16) * 7 % 64
    with loss_parallel() if cut else nullcontext():
        logits = module(numbers).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, numbers.roll(-1, 1).flatten())
        loss.backward()
    return whole(loss)


def whole(value):
    return (value.full_tensor() if hasattr(value, "full_tensor") else value).detach()


def compared(rank, folder):
    """Run on each rank: write how far losses and gradients of spread models are from those of whole ones."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # the ranks share the cores
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    apart = {}
    for name, make in MAKERS.items():
        for way, how in WAYS.items():
            torch.manual_seed(1)
            alone, shared = make(), make()
            shared.load_state_dict(alone.state_dict())
            spread(shared, how)
            losses = loss_of(alone), loss_of(shared, cut=how.tp > 1)
            pairs = zip(alone.parameters(), shared.parameters(), strict=True)
            worst = max((one.grad - whole(other.grad)).abs().max() for one, other in pairs)
            largest = max(one.grad.abs().max() for one in alone.parameters())
            apart[name, way] = float(abs(losses[0] - losses[1])), float(worst / largest)
    torch.save(apart, f"{folder}/{rank}")
    distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="torch has no gloo")
def test_spread_models_have_the_gradients_of_whole_ones(tmp_path):
    torch.multiprocessing.spawn(compared, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        apart = torch.load(tmp_path / str(rank))
        assert len(apart) == len(MAKERS) * len(WAYS)
        for loss, gradient in apart.values():
            assert loss < 1e-4
            assert gradient < 1e-5
