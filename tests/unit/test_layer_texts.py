"""Workload texts: the groups that a header implies, sizes and pipelines of AICB, and what is refused."""

from __future__ import annotations

import gzip
import json

import pytest
from simcore import optimize, train
from simcore.errors import InputError
from simcore.models.network.mapping import Axis, Groups
from simcore.models.training.workload import group_of
from simcore.readers.network_string import parse_network
from simcore.readers.workloads import read_workload

NET = "Ring(4)@200GB/s x Switch(8)@50GB/s"
TOPOLOGY = parse_network(NET).topology
ALL_THREE = "a -1 5 ALLREDUCE 64 5 ALLREDUCE 64 5 ALLREDUCE 64 5"
SUMS = "a -1 5 NONE 0 5 NONE 0 5 ALLREDUCE 64 5"
SIMAI = "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 2 ep: 4 pp: 1 vpp: 1 ga: 1 all_gpus: 32 "
SIMAI += "checkpoints: 0 checkpoint_initiates: 0 pp_comm: 0\n"
AICB = "HYBRID_TRANSFORMER_FWD_IN_BCKWD\tmodel_parallel_NPU_group: 4 checkpoints: 0 checkpoint_initiates: 0\n"


@pytest.fixture
def text(tmp_path):
    def write(content, name="w.txt"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


def read(path, **cut):
    return read_workload(path, "workload", topology=TOPOLOGY, **cut).value


def refusal(call, *args, **kwargs):
    with pytest.raises(InputError) as error:
        call(*args, **kwargs)
    return str(error.value)


def axes(layer):
    return [group_of(phase, part) if phase.collective else None for part, phase in layer.phases()]


@pytest.mark.parametrize(
    ("header", "tp", "dp"),
    [
        ("DATA", (1, 1), (4, 8)),
        ("MICRO", (1, 1), (4, 8)),
        ("MODEL", (4, 8), (1, 1)),
        ("HYBRID_DATA_MODEL", (4, 1), (1, 8)),
        ("HYBRID_MODEL_DATA", (1, 8), (4, 1)),
        ("HYBRID_DLRM\t4", (1, 1), (4, 8)),
        ("HYBRID_DLRM_ENHANCED DLRM_LAST_BOTTOM_LAYER: 4", (1, 1), (4, 8)),
    ],
)
def test_groups_that_a_header_implies(text, header, tp, dp):
    workload = read(text(f"{header}\n1\n{SUMS}\n"))
    assert (workload.groups.tp, workload.groups.dp) == (tp, dp)
    assert (workload.tp, workload.dp) == (workload.groups.degree(Axis.TENSOR), workload.groups.degree(Axis.DATA))
    assert not workload.recomputes


def test_the_transformers_header_fills_inner_dimensions(text):
    result = train(NET, None, text(f"HYBRID_TRANSFORMER model_parallel_NPU_group: 8\n1\n{ALL_THREE}\n"), chunks=1)
    assert result.deployment.groups == Groups((4, 2), (1, 4))
    assert not result.simulated.recompute


def test_data_and_model_run_in_one_group_alone(text):
    # 2 x 3/4 of 2 MB over 200 GB/s, and the switch beside it: 2 x 7/8 of a quarter of it over 50 GB/s
    size = 2_000_000
    ring, switch = 1.5 * size / 200e9, 1.75 * size / 4 / 50e9
    line = f"a -1 0 NONE 0 0 NONE 0 0 ALLREDUCE {size} 0\n"
    closed = train(NET, None, text(f"DATA\n{line}")).closed
    assert closed.weight_gradient == pytest.approx(max(ring, switch))
    model = train(NET, None, text(f"MODEL\n{line}", "m.txt"))
    assert model.time == 0.0
    (caution,) = [each for each in model.warnings if "sends nothing" in each]
    assert caution.startswith("1 layer: the weight-gradient collective is in a group of one NPU (data-parallel)")


def test_degrees_beside_a_header_agree_or_are_refused(text):
    path = text(f"DATA\n1\n{SUMS}\n")
    assert read(path, tp=1, dp=32).dp == 32
    message = refusal(read, path, tp=4)
    assert "tp: found 4, expected 1, which the header DATA in" in message
    assert "remove the header" in message
    assert "dp: found 4" in refusal(read, text(f"MODEL\n1\n{SUMS}\n"), dp=4)


def test_a_header_of_dimensions_needs_the_network(text):
    path = text(f"HYBRID_DATA_MODEL\n1\n{SUMS}\n")
    assert "Give the network." in refusal(read_workload, path, "w")
    assert "Give the network." in refusal(read_workload, path, "w", npus=32)
    assert read_workload(text(f"DATA\n1\n{SUMS}\n"), "w", npus=32).value.groups == Groups((1,), (32,))


def test_the_embedding_of_dlrm_runs_among_all(text, tmp_path):
    layers = "e -1 9 ALLTOALL 4096 9 ALLTOALL 4096 9 NONE 0 9\nm -1 9 NONE 0 9 NONE 0 9 ALLREDUCE 8192 9\n"
    ours = read(text(f"HYBRID_DLRM 0\n2\n{layers}"))
    assert [axes(layer) for layer in ours.layers] == [[Axis.ALL, Axis.ALL, None], [None, None, Axis.DATA]]
    assert "the loop waits for it" in ours.cautions[0]
    everyone = tmp_path / "all.yml"
    everyone.write_text("F: [4, 8]\nI: [4, 8]\nW: [4, 8]\n", encoding="utf-8")
    one = train(NET, None, text(f"HYBRID_DLRM 0\n2\n{layers}"), chunks=2)
    two = train(NET, None, text(layers, "plain.txt"), chunks=2, communicator=everyone, recompute=False)
    assert one.time == pytest.approx(two.time)
    assert one.closed.total == pytest.approx(two.closed.total)
    assert not any("idle" in each for each in two.warnings)


def test_layers_with_a_parallelism_of_their_own(text):
    lines = [f"{ALL_THREE} {policy}" for policy in ("DATA", "MODEL", "HYBRID_DATA_MODEL", "HYBRID_MODEL_DATA")]
    workload = read(text("HYBRID_CUSTOMIZED\n4\n" + "\n".join(lines)))
    assert workload.groups == Groups((4, 1), (1, 8))
    assert [axes(layer) for layer in workload.layers] == [
        [None, None, Axis.ALL],
        [Axis.ALL, Axis.ALL, None],
        [Axis.TENSOR, Axis.TENSOR, Axis.DATA],
        [Axis.DATA, Axis.DATA, Axis.TENSOR],
    ]
    assert "2 layers" not in " ".join(workload.cautions)
    assert "1 layer: the forward collective is not run under the layer's own parallelism." in workload.cautions
    alone = read(text("HYBRID_CUSTOMIZED\n1\n" + lines[3]))
    assert (alone.groups, axes(alone.layers[0])) == (Groups((1, 8), (4, 1)), [Axis.TENSOR, Axis.TENSOR, Axis.DATA])
    message = refusal(read, text(f"HYBRID_CUSTOMIZED\n1\n{ALL_THREE}\n"))
    assert "field 'the layer's own parallelism'" in message
    assert "HYBRID_MODEL_DATA" in message
    assert "one of DATA" in refusal(read, text(f"HYBRID_CUSTOMIZED\n1\n{ALL_THREE} HYBRID_TRANSFORMER\n"))


def test_explicit_groups_take_the_place_of_a_headers(text, tmp_path):
    groups = tmp_path / "groups.yml"
    groups.write_text("F: [4, 1]\nI: [4, 1]\nW: [1, 8]\n", encoding="utf-8")
    result = train(NET, None, text(f"DATA\n1\n{ALL_THREE}\n"), communicator=groups, chunks=1)
    assert result.deployment.groups == Groups((4, 1), (1, 8))
    assert "take the place of those that DATA implies" in " ".join(result.warnings)
    ep = text(SIMAI + "1\na -1 1 ALLTOALL_EP 8 1 NONE 0 1 NONE 0 1\n", "ep.txt")
    assert "Leave it out" in refusal(train, NET, None, ep, communicator=groups)


def test_a_text_recomputes_if_its_header_says_so(text):
    line = "a -1 1000 NONE 0 1 NONE 0 1 NONE 0 1\nb -1 1000 NONE 0 1 NONE 0 1 NONE 0 1\n"
    head = "HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 4 checkpoints: 1 0 checkpoint_initiates: 1 1\n"
    marked, plain = text(head + line, "a.txt"), text(AICB + line, "b.txt")
    assert train(NET, None, marked).run.compute == pytest.approx(3004e-9)
    assert train(NET, None, plain).run.compute == pytest.approx(2004e-9)
    assert train(NET, None, plain, recompute=True).run.compute == pytest.approx(3004e-9)


def test_expert_groups(text):
    workload = read(text(SIMAI + "1\na -1 1 ALLTOALL_EP 8 1 NONE 0 1 ALLGATHER_DP_EP 4096 1\n"))
    assert (workload.tp, workload.dp, workload.ep) == (2, 16, 4)
    assert axes(workload.layers[0]) == [Axis.EXPERT, None, Axis.EXPERT_DATA]
    assert workload.layers[0].weight_gradient.size == 4096 / 4  # the full buffer over DP / EP
    result = train(NET, None, text(SIMAI + "1\na -1 1 ALLTOALL_EP 8 1 NONE 0 1 ALLGATHER_DP_EP 4096 1\n"), chunks=1)
    assert result.deployment.groups == Groups((2, 1), (2, 8), (2, 2))
    assert set(result.as_dict()["exposed"]) == {"tensor", "data", "expert", "expert_data", "pipeline"}


@pytest.mark.parametrize("word", ["ALLGATHER_EXPERTS", "ALLGATHER_TP", "ALLGATHERX", "ALLREDUC", "REDUCE"])
def test_no_collective_is_taken_for_another(text, word):
    message = refusal(read, text(SIMAI + f"1\na -1 1 NONE 0 1 NONE 0 1 {word} 8 1\n"))
    assert f"'{word}'" in message
    assert "Did you mean" not in message
    assert "_EP or _DP_EP" in message


def test_expert_groups_need_their_degree(text):
    message = refusal(read, text("a -1 1 NONE 0 1 NONE 0 1 ALLGATHER_DP_EP 8 1\n"), tp=2)
    assert "'ALLGATHER_DP_EP' without expert groups" in message
    assert "Did you mean" not in message
    both = refusal(read, text("a -1 1 NONE 0 1 NONE 0 1 ALLREDUCEALLTOALL 8 1\n"), tp=2)
    assert "Write its two collectives in two lines" in both
    assert "field 'ep': found EP 32 beside DP 16" in refusal(read, text(SIMAI.replace("ep: 4", "ep: 32") + SUMS))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("all_gpus: 32", "all_gpus: 64"), "all_gpus: 64 on a network of 32 NPUs"),
        (("pp: 1", "pp: 2"), "expected pp_comm"),
        (("pp: 1 vpp: 1 ga: 1", "pp: 2"), "expected ga"),
        (("model_parallel_NPU_group: 2", "model_parallel_NPU_group: 3"), "TP 3 x PP 1 on 32 NPUs"),
        (("ep: 4", "ep: 4 ep: 4"), "'ep' twice"),
        (("ep: 4", "zp: 4"), "'zp' in the header"),
        (("ep: 4", "ep: x"), "field 'ep': found 'x'"),
        (("ep: 4", "ep: 0"), "at least 1"),
        (("checkpoints: 0", "checkpoints: 1 5"), "layer 5, expected layers from 0 to 0"),
        (("checkpoints: 0", "checkpoints: 2 0"), "1 layer behind the number 2"),
        (("checkpoints: 0", "checkpoints: 99999999999999999999 0"), "at most 18 digits"),
        (("checkpoint_initiates: 0", "checkpoint_initiates: 1 7"), "layer 7"),
    ],
)
def test_a_header_of_aicb_that_is_wrong(text, change, part):
    header = SIMAI.replace(" pp_comm: 0", "") if "pp" in change[1] else SIMAI
    assert part in refusal(read, text(header.replace(*change) + "1\n" + SUMS + "\n"))


def test_degrees_of_aicb_are_not_changed(text):
    path = text(SIMAI + "1\n" + SUMS + "\n")
    assert read(path, tp=2).dp == 16
    assert "its times and sizes are of that degree" in refusal(read, path, tp=4)


PIPELINE = SIMAI.replace("ep: 4 pp: 1 vpp: 1 ga: 1", "ep: 1 pp: 2 vpp: 2 ga: 4").replace(
    "pp_comm: 0", "pp_comm 1000000"
)


def test_one_stage_of_a_pipeline(text):
    # TP 2 on the ring, two stages on the switch, DP 32 / (2 x 2) = 8: two on the ring and four on the switch
    line = "g -1 0 NONE 0 0 NONE 0 0 ALLGATHER 800000000 0\na -1 1000000 NONE 0 1000000 NONE 0 2000000 NONE 0 0\n"
    result = train(NET, None, text(PIPELINE + "2\n" + line), chunks=1)
    assert result.deployment.groups == Groups((2, 1), (2, 4))
    assert (result.deployment.workload.dp, result.deployment.stages) == (8, (1, 2))
    assert result.deployment.workload.layers[0].weight_gradient.size == 800e6 / 8
    # one NPU computes 4 ms; the bubble is (2 - 1) / (4 x 2) of it, and 2 x 4 x 2 messages of 1 MB pass the switch
    assert result.run.compute == pytest.approx(4e-3)
    assert result.stage.bubble == pytest.approx(0.5e-3)
    assert result.stage.transfers == pytest.approx(16 * 1e6 / 50e9)
    assert result.time == pytest.approx(result.run.time + result.stage.total)
    assert result.gains[1] > 16 * 1e6 / 50e9 * 0.05  # a tenth more bandwidth shortens the transfers too
    assert result.as_dict()["pipeline"]["interleaved"] == 2
    assert (result.bound, result.closed) == (None, None)
    warned = " ".join(result.warnings)
    assert "one of 2 pipeline stages" in warned
    assert "all 4 micro-batches (ga)" in warned


def test_what_does_not_go_with_one_stage(text):
    path = text(PIPELINE + "1\n" + SUMS + "\n")
    assert "stages: found 2, expected the 2 stages of the header" in refusal(train, NET, None, path, stages=2)
    assert "the 1 stage of the header" in refusal(train, NET, None, text(SIMAI + SUMS + "\n", "one.txt"), stages=2)
    assert "Leave zero out" in refusal(train, NET, None, path, zero=3)
    large = text(PIPELINE.replace("all_gpus: 32", "all_gpus: 1024") + "1\n" + SUMS + "\n", "large.txt")
    assert "simcore train simulates it" in refusal(optimize, "2D", "200", large)


def test_the_full_buffer_of_an_all_gather(text):
    line = "a -1 1 NONE 0 1 NONE 0 1 ALLGATHER 8192 1\n"
    path = text(AICB + "1\n" + line)
    workload = read(path)
    assert workload.layers[0].weight_gradient.size == 8192 / 8
    assert "add --sizes shard" in workload.cautions[0]
    shard = read(path, sizes="shard")
    assert (shard.layers[0].weight_gradient.size, shard.cautions) == (8192, ())
    astra = text("HYBRID_TRANSFORMER model_parallel_NPU_group: 4\n" + line)
    assert read(astra).layers[0].weight_gradient.size == 8192
    assert read(astra, sizes="full").layers[0].weight_gradient.size == 8192 / 8
    micro = read(text("MICRO\n1\n" + line.replace("a -1", "micro_test -1")))
    assert micro.layers[0].weight_gradient.size == 8192 / 32
    assert "sizes: found 'full' for '1T'" in refusal(read_workload, "1T", "w", sizes="full")


def test_oddities_of_aicbs_first_texts(text):
    workload = read(text(AICB + "839\nnorm -1 0 BROADCAST 16 1 NONE 0 1 NONE 0 1\n"))
    assert "announces 839 layers and holds 1" in workload.cautions[0]
    assert "timed as an all-reduce" in workload.cautions[1]
    assert "839 layers announced" in refusal(read, text(SIMAI + "839\n" + SUMS + "\n"))
    assert "AICB leaves a dash" in refusal(read, text(AICB + "a -1 - NONE 0 1 NONE 0 1 NONE 0 1\n"))


def test_zero_is_not_put_on_top_of_a_text_that_gathers(text):
    path = text("a -1 1 NONE 0 1 NONE 0 1 ALLGATHER 64 1\n")
    assert "is of ZeRO already" in refusal(train, NET, None, path, tp=4, zero=3)


@pytest.mark.parametrize(
    "number", ["\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 5000, "1e400", "1_0", "-2", "0x1"]
)
def test_numbers_that_are_none(text, number):
    message = refusal(read, text(f"DATA\n1\na -1 {number} NONE 0 1 NONE 0 1 NONE 0 1\n"))
    assert "field 'forward compute'" in message
    assert len(message) < 400
    assert "number of" in refusal(read, text(f"DATA\n{number}\n{SUMS}\n"))


def test_a_header_twice(text):
    assert "a second header" in refusal(read, text(f"DATA\nDATA\n1\n{SUMS}\n"))
    assert "a second header" in refusal(read, text(f"DATA\n{SUMS}\nHYBRID_DLRM 4\n{SUMS}\n"))
    assert "nothing behind it" in refusal(read, text(f"DATA tp: 4\n1\n{SUMS}\n"))


def test_a_layer_may_be_called_after_a_header(text):
    workload = read(text("DATA -1 5 NONE 0 5 NONE 0 5 ALLREDUCE 64 5\n"), tp=4)
    assert (workload.layers[0].name, workload.dp) == ("DATA", 8)


def test_names_hold_no_control_characters(text):
    assert "printable" in refusal(read, text("a\x1b[31m -1 5 NONE 0 5 NONE 0 5 NONE 0 5\n"), tp=4)


def test_files_of_other_programs_are_called_by_name(tmp_path):
    chakra = tmp_path / "w.0.et"
    chakra.write_bytes(b"\x07\n\x050.0.4H\x12\x04\x08\x00R\x0e\n\tis_cpu_op\xd8\x01\x00")
    message = refusal(read, chakra)
    assert "an execution trace of Chakra" in message
    assert "chakra_converter Text" in message
    packed = tmp_path / "t.json.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    assert "gunzip" in refusal(read, packed)
    packed.write_bytes(gzip.compress(b'{"schemaVersion": 1, "traceEvents": []}'))
    assert "a trace of PyTorch, packed by gzip" in refusal(read, packed)
    table = tmp_path / "t.csv"
    table.write_text("comm_type,comm_group,msg_size,stage\nCommType.all_gather,CommGroup.dp_group,4096,x\n", "utf-8")
    assert "AICB writes the text of the same run too" in refusal(read, table)
    table.write_text("op,name,time,size\n1,a,2,3\n", "utf-8")
    assert "a table with commas" in refusal(read, table)
    for document, part in (
        ({"schemaVersion": 1, "traceEvents": []}, "Kineto"),
        ({"schema": "1.1.0", "pid": 1, "nodes": []}, "an execution trace of PyTorch"),
        ({"npus-count": [4], "topology": ["Ring"]}, "Give it with network."),
    ):
        path = tmp_path / "w.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        assert part in refusal(read, path)


def test_the_texts_that_aicb_ships(shared):
    folder = shared / "traces" / "kineto_chakra_simai"
    texts = sorted(folder.glob("aliyun__aicb*/workload/simAI/model_workload/*.txt"))
    if not texts:
        pytest.skip("the texts of AICB are not among the published files")
    assert len(texts) == 7
    for path in texts:
        workload = read_workload(
            path, "w", topology=parse_network("Switch(8)@300GB/s x Switch(4)@50GB/s").topology
        ).value
        compute = sum(phase.compute for layer in workload.layers for _, phase in layer.phases())
        assert 0.1 < compute < 0.4  # their measured milliseconds, not nanoseconds
        assert "taken to be AICB's" in " ".join(workload.cautions)
    (example,) = folder.glob("aliyun__SimAI*/example/workload_analytical.txt")
    workload = read_workload(example, "w").value
    assert (workload.tp, workload.dp, workload.ep, workload.pipeline.stages) == (2, 384, 16, 12)
    assert {phase.group for layer in workload.layers for _, phase in layer.phases()} >= {Axis.EXPERT, Axis.EXPERT_DATA}
