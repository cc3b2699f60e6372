"""Iterations that follow each other, where weight gradients queue, and chunks in flight: worked out by hand."""

import pytest
from simcore import train
from simcore.errors import InputError

SECOND, NETWORK = 10**9, "Ring(2)@1GB/s"  # an all-reduce of S bytes takes S / 1e9 seconds


def time(tmp_path, *layers, **options):
    """Return the mean time of layers, each with its forward compute [s] and its bytes of weight gradients."""
    lines = "".join(
        f"l{k} -1 {forward * SECOND} NONE 0 0 NONE 0 {weight * SECOND} {'ALLREDUCE' if size else 'NONE'} {size} 10\n"
        for k, (forward, weight, size) in enumerate(layers)
    )
    path = tmp_path / "layers.txt"
    path.write_text(f"HYBRID_TRANSFORMER model_parallel_NPU_group: 1\n{lines}", encoding="utf-8")
    return train(NETWORK, None, path, chunks=1, **options).time


def test_the_next_pass_waits_for_the_weights_of_its_layer(tmp_path):
    layer = (1, 1, 3 * SECOND)
    assert time(tmp_path, layer) == pytest.approx(5)
    assert time(tmp_path, layer, passes=2) == pytest.approx(5)  # nothing to do meanwhile


def test_the_next_pass_does_not_wait_for_weights_that_it_does_not_need_yet(tmp_path):
    layers = (1, 1, 0), (1, 1, 3 * SECOND)
    assert time(tmp_path, *layers) == pytest.approx(6)
    # the first layer runs from 4 to 5, the second waits until 6: 11 in all
    assert time(tmp_path, *layers, passes=2) == pytest.approx(11 / 2)


def test_last_in_first_out_lets_the_first_layer_go_on(tmp_path):
    layers = [(1, 0, 10 * SECOND)] * 3
    # three collectives from 3 on: of the layers 3, 2, 1, or of 3, 1, 2
    assert time(tmp_path, *layers, passes=2) == pytest.approx((33 + 3 + 30) / 2)
    assert time(tmp_path, *layers, passes=2, policy="lifo") == pytest.approx((33 + 2 + 30) / 2)
    assert time(tmp_path, *layers, policy="lifo") == time(tmp_path, *layers)


def test_chunks_in_flight_hide_latency_in_an_iteration(tmp_path):
    path = tmp_path / "layers.txt"
    path.write_text("HYBRID_TRANSFORMER model_parallel_NPU_group: 2\n"
                    "a -1 0 ALLREDUCE 8000 0 NONE 0 0 NONE 0 10\n", encoding="utf-8")  # fmt: skip
    one, two = (train("Ring(2)@1GB/s,1us", None, path, chunks=8, in_flight=k).time for k in (1, 2))
    assert one == pytest.approx(8 * (1e-6 + 2e-6))  # 1 us of bytes and two hops each
    assert two == pytest.approx(4 * 1e-6 + 4 * 2e-6 + 1e-6)  # pairs: the second is sent while the first is under way


@pytest.mark.parametrize("other", [{"stages": 2}, {"zero": 3}])
def test_several_passes_are_refused_where_they_are_not_known(other):
    with pytest.raises(InputError, match=r"^passes: found 2 with"):
        train("4D", "325", "1T", passes=2, **other)


def test_a_result_of_several_passes_is_of_one(tmp_path):
    once, thrice = (train("4D", "325", "1T", chunks=4, passes=passes) for passes in (1, 3))
    assert thrice.run.compute == pytest.approx(once.run.compute)
    assert thrice.run.sent == pytest.approx(once.run.sent)
    assert thrice.bound <= thrice.time <= once.time * (1 + 1e-9)
