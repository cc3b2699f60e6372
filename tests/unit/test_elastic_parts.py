"""Parts of elastic training that need no processes: plans, the ring's order, data order, checkpoints, faults."""

import errno

import pytest
from simcore.errors import InputError
from simcore.real.elastic.checkpoint import check, latest, previous, read, save
from simcore.real.elastic.data import epoch_length, mini_batches
from simcore.real.elastic.faults import Faults
from simcore.real.elastic.job import Fault, Job
from simcore.real.elastic.plan import parse_stages
from simcore.real.elastic.reduce import first_mapping, ordered_sum, rebuilt_mapping, reduced, ring_chunks, ring_sum

torch = pytest.importorskip("torch")


def test_a_plan_numbers_workers_in_the_order_of_processes():
    four, mixed = parse_stages(["4x1", " 1x2 + 2x1@ALT "], 4)
    assert [process.workers for process in four.processes] == [(0,), (1,), (2,), (3,)]
    assert [process.workers for process in mixed.processes] == [(0, 1), (2,), (3,)]
    assert [process.alternative for process in mixed.processes] == [False, True, True]
    assert (mixed.text, four.alternative, mixed.alternative) == ("1x2 + 2x1@ALT", False, True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5x1", "'5x1', 5 processes"),
        ("2x1", "holds 2 logical workers"),
        ("1x5", "holds 5 logical workers"),
        ("0x4", "'0x4'"),
        ("4", "'4'"),
        ("", "''"),
        ("2x2@v100", "'2x2@v100'"),
        ("2x2+", "'2x2+'"),
    ],
)
def test_a_plan_that_does_not_hold_the_workers_is_refused(text, found):
    with pytest.raises(InputError) as error:
        parse_stages(["4x1", text], 4)
    assert found in error.value.found
    assert error.value.remedy


@pytest.mark.parametrize(
    ("elements", "ranks", "borders"),
    [
        # measured of torch 2.13's gloo, by which order gives which element
        (1000, 3, [334, 668]), (1003, 3, [336, 672]), (12345, 3, [4116, 8232]), (1500001, 3, [500002, 1000004]),
        (4000003, 3, [1333338, 2666676]), (65, 4, [18, 36, 54]), (1001, 4, [252, 504, 756]), (2, 3, [2, 2]),
        (4000003, 4, [1000004, 2000008, 3000012]),
    ],
)  # fmt: skip
def test_chunks_are_those_of_gloo(elements, ranks, borders):
    chunks = ring_chunks(elements, ranks)
    assert [begin for begin, _ in chunks] == [0, *borders]
    assert [end for _, end in chunks] == [*borders, elements]


def test_a_ring_sums_each_chunk_in_its_own_order():
    rows = torch.tensor([[1e8] * 3, [1.0] * 3, [-1e8] * 3])
    # chunks of two elements: (2, 1, 0) loses the 1 in both sums, (0, 2, 1) keeps it
    assert ring_sum(rows).tolist() == [0.0, 0.0, 1.0]
    assert ordered_sum(rows).tolist() == [0.0, 0.0, 0.0]


def test_the_mapping_decides_which_order_a_gradient_gets():
    rows = torch.tensor([[1e8] * 3, [1.0] * 3, [-1e8] * 3])
    sizes = [1, 1, 1]
    first = reduced(rows, sizes, [[0, 1, 2]], "ring")
    other = reduced(rows, sizes, [[2, 1, 0]], "ring")
    assert first.flip(0).tolist() == other.tolist() != first.tolist()
    assert torch.equal(reduced(rows, sizes, [[0, 1, 2]], "ordered"), reduced(rows, sizes, [[2, 1, 0]], "ordered"))


def test_buckets_are_those_of_data_parallel_training():
    parameters = [torch.zeros(300_000), torch.zeros(10), torch.zeros(10)]
    assert first_mapping(parameters) == [[0, 1, 2]]
    # the first rebuilt bucket ends where it holds 1 MiB
    assert rebuilt_mapping(parameters, [2, 0, 1]) == [[2, 0], [1]]


def drawn(plan, *, shuffle, drop_last, loader_workers=0):
    """Return each worker's samples over a plan of mini-batches per stage, taken up anew at each stage."""
    taken = {worker: [] for worker in range(3)}
    for worker in taken:
        first = 0
        for batches in plan:
            data = mini_batches(
                range(50), worker, 3, batch=4, seed=7, first=first, shuffle=shuffle, drop_last=drop_last,
                loader_workers=loader_workers,
            )  # fmt: skip
            taken[worker] += [next(data)[0] for _ in range(batches)]
            first += batches
    return taken


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_samples_and_their_order_do_not_depend_on_the_plan(shuffle, drop_last):
    whole = drawn([11], shuffle=shuffle, drop_last=drop_last)
    for plan in ([4, 7], [1, 2, 8], [5, 5, 1]):
        assert drawn(plan, shuffle=shuffle, drop_last=drop_last) == whole
    of_epoch = [number for worker in whole.values() for batch in worker[: epoch_length(50, 3, 4)] for number in batch]
    assert len(set(of_epoch)) == len(of_epoch) == 48
    # an epoch deals each worker every third sample of its order
    if not shuffle:
        assert whole[1][0] == [1, 4, 7, 10]


def test_processes_that_load_change_no_order():
    assert drawn([2, 3], shuffle=True, drop_last=True, loader_workers=1) == drawn([5], shuffle=True, drop_last=True)


def test_making_a_loader_anew_draws_nothing_from_the_workers_generator():
    before = torch.get_rng_state()
    drawn([1, 1, 1], shuffle=True, drop_last=True)
    assert torch.equal(torch.get_rng_state(), before)


JOB = Job("mlp", 4, parse_stages(["4x1"], 4))
STATE = {"identity": JOB.identity, "position": 5, "weights": {"w": torch.ones(1000)}}


def test_a_checkpoint_is_whole_or_the_one_before(tmp_path):
    path, faults = tmp_path / "c", Faults([], 0, tmp_path)
    save(path, STATE, faults, 4)
    save(path, STATE | {"position": 10}, faults, 9)
    assert (read(path)["position"], read(previous(path))["position"]) == (10, 5)
    assert check(path, JOB)["position"] == 10
    full = Faults([Fault("full", 14)], 0, tmp_path)
    with pytest.raises(OSError, match="space") as error:
        save(path, STATE | {"position": 15}, full, 14)
    assert error.value.errno == errno.ENOSPC
    assert latest(path, JOB)["position"] == 10
    save(path, STATE | {"position": 15}, Faults([Fault("truncated", 14)], 0, tmp_path), 14)
    assert latest(path, JOB)["position"] == 10  # what is cut short is not taken
    save(path, STATE | {"position": 20}, Faults([], 0, tmp_path), 19)
    assert (read(path)["position"], read(previous(path))["position"]) == (20, 10)  # nor put in the place of a whole one
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "c",
        "c.previous",
        "fault-full-14-0",
        "fault-truncated-14-0",
    ]


def test_checkpoints_that_cannot_be_taken_up_are_refused_with_what_to_do(tmp_path):
    path = tmp_path / "c"
    assert check(path, JOB) is None
    save(path, STATE, Faults([], 0, tmp_path), 4)
    with pytest.raises(InputError, match=r"a checkpoint of another run, expected .* delete it to start anew"):
        check(path, Job("mlp", 4, parse_stages(["4x1"], 4), seed=1))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut short or changed, of .* bytes, .* Delete it to start anew"):
        check(path, JOB)
    path.write_text("weights")
    with pytest.raises(InputError, match="no checkpoint of simcore"):
        check(path, JOB)


def test_what_decides_no_number_is_no_part_of_a_runs_identity():
    same = Job("mlp", 4, parse_stages(["4x1"], 4), every=7, restarts=1, faults=(Fault("step", 3),))
    assert same.identity == JOB.identity
    for change in ({"determinism": "D2"}, {"reduce": "ordered"}, {"batches": 3}, {"plan": parse_stages(["2x2"], 4)}):
        assert Job(**{"model": "mlp", "workers": 4, "plan": JOB.plan} | change).identity != JOB.identity
