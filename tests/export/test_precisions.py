"""Every precision of a small network: made, judged, placed, served; and what must be refused."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from tests.export.conftest import TinyExport
from tritonclient.grpc import InferenceServerClient, InferInput

from i3d_export import calibration, cli, lower_precision, precision_stages, verify_cli
from i3d_export.agreement import Verdict
from i3d_export.answers import choose_precision, openvino_model
from i3d_export.default_clips import clip
from i3d_export.errors import ExportError, GateError
from i3d_export.export import ExportedModel, export_models
from i3d_export.openvino_engine import write_openvino
from i3d_export.quantisation import write_int8, write_quantised
from i3d_export.stage_cache import Stage, sha256_of
from i3d_export.verify import verify_model
from i3d_server.launcher import serving

ENGINES = ("openvino", "tensorrt")


@pytest.fixture(scope="module")
def lower(tiny: TinyExport, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportedModel]:
    """The small network with the published weights at every precision, for both engines."""
    models = export_models(
        profile=str(tiny.profile),
        repository=tmp_path_factory.mktemp("precisions"),
        precisions=("fp32", "fp16", "int8"),
        engines=ENGINES,
        checkpoint=tiny.checkpoint,
        # Far from its 224 × 224 the network is no measure of quantisation; other tests are.
        force=True,
        cache=tiny.cache,
    )
    return {model.precision: model for model in models}


def graph_of(model: ExportedModel) -> Any:
    return onnx.load(model.folder / "1" / "model.onnx")


def constants(graph: Any) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def test_each_precision_is_a_model_of_its_own(lower: dict[str, ExportedModel]) -> None:
    assert {model.name for model in lower.values()} == {"tiny_fp32", "tiny_fp16", "tiny_int8"}
    for precision, model in lower.items():
        build = json.loads((model.folder / "1/build.json").read_text())
        assert build["precision"] == precision
        assert build["onnx_sha256"] == sha256_of(model.folder / "1/model.onnx")
        assert build["reference_onnx_sha256"] == sha256_of(lower["fp32"].folder / "1/model.onnx")
        for engine in ENGINES if precision != "fp32" else ():
            record = json.loads((model.folder / f"1/verification.{engine}.json").read_text())
            assert (record["model"], record["engine"]) == (model.name, engine)
            assert record["figures"]["windows"] >= 100
            assert build["engines"][engine]["verdict"] == record["verdict"]


def test_fp16_is_in_the_graph_and_its_ends_stay(lower: dict[str, ExportedModel]) -> None:
    graph = graph_of(lower["fp16"])
    kernels = [value.dtype for value in constants(graph).values() if value.ndim == 5]
    assert len(kernels) == 58
    assert set(kernels) == {np.dtype(np.float16)}
    ends = [v.type.tensor_type.elem_type for v in (*graph.graph.input, *graph.graph.output)]
    assert ends == [onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT]
    assert graph.graph.node[0].op_type == "Cast"
    (judged,) = [one for one in lower["fp16"].judged if one.engine == "tensorrt"]
    assert judged.agreement.agreement > 0.97


def test_int8_for_tensorrt_is_what_its_parser_takes(lower: dict[str, ExportedModel]) -> None:
    graph = graph_of(lower["int8"])
    values = constants(graph)
    made_by = {name: node for node in graph.graph.node for name in node.output}
    points = [
        values[node.input[2]]
        for node in graph.graph.node
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}
    ]
    assert all(point.dtype == np.int8 and not point.any() for point in points)
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    first, *middle, logits = convolutions
    for node in (first, logits):
        assert node.input[1] in values  # in float
    for node in middle:
        weight = made_by[node.input[1]]
        assert weight.op_type == "DequantizeLinear"
        (axis,) = [attribute.i for attribute in weight.attribute if attribute.name == "axis"]
        assert axis == 0
        assert len(values[weight.input[1]]) == values[weight.input[0]].shape[0]
        assert values[node.input[2]].dtype == np.float32  # the bias
    after = {name for node in convolutions for name in node.output}
    quantised = {node.input[0] for node in graph.graph.node if node.op_type == "QuantizeLinear"}
    assert not after & quantised  # what ReLU has not cut is not quantised
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds[0] == "Cast"
    assert kinds.index("Concat") < kinds.index("QuantizeLinear")  # grey to RGB stays in float


def test_what_openvino_executes_is_read_back(lower: dict[str, ExportedModel]) -> None:
    record = json.loads((lower["int8"].folder / "1/verification.openvino.json").read_text())
    assert record["executed"]["execution_precision"] == "f32"
    layers = record["executed"]["layers"]
    assert sum(layers.values()) == 58
    assert layers["u8"] + layers.get("i8", 0) == 57
    half = json.loads((lower["fp16"].folder / "1/verification.openvino.json").read_text())
    assert set(half["executed"]["layers"]) == {half["executed"]["execution_precision"]}


@pytest.mark.parametrize(
    ("wanted", "has", "chosen"),
    [
        ("f32", ("FP32",), "f32"),
        ("f16,bf16,f32", ("FP32", "BF16", "FP16"), "f16"),
        ("f16,bf16,f32", ("FP32", "BF16"), "bf16"),
        ("f16,bf16,f32", ("FP32", "INT8"), "f32"),
        ("bf16", ("FP32",), "bf16"),
    ],
)
def test_the_first_precision_that_the_processor_has_is_taken(
    wanted: str, has: tuple[str, ...], chosen: str
) -> None:
    assert choose_precision(wanted, has) == chosen


def test_triton_serves_every_precision_with_openvinos_answers(
    lower: dict[str, ExportedModel],
) -> None:
    contract = lower["int8"].contract
    segment = np.random.default_rng(1).integers(0, 255, contract.segment_shape, np.uint8)
    wanted = {"fp32": "f32", "fp16": "f16,bf16,f32", "int8": "f32"}
    with serving(lower["int8"].folder.parent) as served:
        client = InferenceServerClient(served.triton.address)
        for precision, model in lower.items():
            tensor = InferInput("FRAMES", [1, *segment.shape], "UINT8")
            tensor.set_data_from_numpy(segment[np.newaxis])
            answer = client.infer(model.name, [tensor]).as_numpy("PROBABILITIES")[0]
            here = openvino_model(model.folder / "1/model.xml", wanted=wanted[precision])
            np.testing.assert_allclose(answer, here.answer(segment), atol=1e-5)
        client.close()
        said = {line.partition(":")[0]: line for line in served.descriptions()}
        verified = verify_model(
            model="tiny_int8",
            repository=lower["int8"].folder.parent,
            server=served.triton.address,
            windows=30,
        )
    assert "asked for f32, executes" in said["tiny_int8"]
    assert "layers in u8" in said["tiny_int8"]
    assert verified.judged.engine == "openvino"
    assert verified.judged.executed["executed_by"].startswith("tiny_int8 at 127.0.0.1:")
    assert verified.judged.agreement.windows >= 30


def test_calibration_and_judgement_take_different_frames(lower: dict[str, ExportedModel]) -> None:
    build = json.loads((lower["int8"].folder / "1/build.json").read_text())
    record = json.loads((lower["int8"].folder / "1/verification.openvino.json").read_text())
    assert build["calibration"]["segments"] >= 8
    (video,) = build["calibration"]["frames"]
    assert video == sha256_of(clip("bikes.mp4"))
    used = {f for first, stop in build["calibration"]["frames"][video] for f in range(first, stop)}
    judged = {entry["sha256"]: entry["frames"] for entry in record["evidence"]["videos"]}
    assert set(judged) == {video, sha256_of(clip("bigbuckbunny.mp4"))}
    assert not used & {f for first, stop in judged[video] for f in range(first, stop)}


def test_int8_for_openvino_is_right_without_vnni_and_pools_bytes(
    tiny: TinyExport, lower: dict[str, ExportedModel], tmp_path: Path
) -> None:
    (calibrated,) = [one for one in lower["int8"].stages if one.name == "calibration"]
    ranges = json.loads((calibrated.folder / "ranges.json").read_text())
    path = tmp_path / "uint8.onnx"
    write_int8(tiny.artefacts / "model.onnx", ranges, tiny.shape, path, engine="openvino")
    graph = onnx.load(path)
    kernels = [value for value in constants(graph).values() if value.dtype == np.int8]
    kernels = [value for value in kernels if value.ndim == 5]
    assert len(kernels) == 57
    # What two products of a byte and such a weight add up to fits in 16 bits.
    assert all(np.abs(kernel.astype(int)).max() <= 64 for kernel in kernels)
    made_by = {name: node for node in graph.graph.node for name in node.output}
    pools = [node for node in graph.graph.node if node.op_type == "MaxPool"]
    assert len(pools) == 13
    assert {made_by[node.input[0]].op_type for node in pools} == {"DequantizeLinear"}


def test_export_judges_by_annotations(tiny: TinyExport, tmp_path: Path) -> None:
    labels = tiny.model.contract.labels
    annotations = tmp_path / "seen.csv"
    annotations.write_text(
        f"video,start_s,stop_s,label\nbigbuckbunny.mp4,0,60,{labels[123]}\n"
        f"bikes.mp4,0,60,{labels[257]}\n"
    )
    arguments = [str(tiny.profile), "--precision", "fp16", "--checkpoint", str(tiny.checkpoint)]
    arguments += ["--repository", str(tmp_path / "models"), "--annotations", str(annotations)]
    result = CliRunner().invoke(cli.export, arguments, env={"I3D_CACHE": str(tiny.cache)})
    assert result.exit_code == 0, result.output
    assert "balanced accuracy, FP32 and this" in result.output
    annotations.write_text("video,start_s,stop_s,label\nbikes.mp4,0,60,flying\n")
    refused = CliRunner().invoke(cli.export, arguments, env={"I3D_CACHE": str(tiny.cache)})
    assert "line 2: label: expected one of the model's, got 'flying'" in str(refused.exception)


def test_signed_activations_on_openvino_are_refused(
    tiny: TinyExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO computes them wrongly on a CPU; it passes every test that only runs it."""

    int8_stage = precision_stages.int8_stage

    def signed_int8_stage(onnx_stage: Any, ranges: Any, shape: Any) -> Stage:
        right = int8_stage(onnx_stage, ranges, shape)

        def compute(folder: Path) -> dict[str, Any]:
            known = json.loads((ranges.folder / "ranges.json").read_text())
            write_quantised(
                onnx_stage.folder / "model.onnx", known, shape, folder / "model.onnx",
                symmetric_activations=True, first_convolution=True, seven_bit_weights=False,
            )  # fmt: skip
            write_openvino(folder / "model.onnx", folder)
            return {"version": "?"}

        return dataclasses.replace(right, name="int8-signed", compute=compute)

    monkeypatch.setattr(lower_precision.precision_stages, "int8_stage", signed_int8_stage)
    repository = tmp_path / "models"
    said: list[Any] = []

    def export(*, force: bool) -> list[ExportedModel]:
        return export_models(
            profile=str(tiny.profile), repository=repository, precisions=("int8",),
            checkpoint=tiny.checkpoint, cache=tiny.cache, force=force, on_judged=said.append,
        )  # fmt: skip

    with pytest.raises(GateError, match=r"tiny_int8 on openvino is refused: .* of \d+ windows"):
        export(force=False)
    assert said[0].verdict is Verdict.FAILED
    assert not repository.exists()
    (model,) = export(force=True)
    record = json.loads((model.folder / "1/verification.openvino.json").read_text())
    assert (record["verdict"], record["forced"]) == ("failed", True)


def test_verify_prints_and_records(lower: dict[str, ExportedModel], tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(lower["fp32"].folder.parent, repository)
    annotations = tmp_path / "seen.csv"
    labels = lower["int8"].contract.labels
    annotations.write_text(
        f"video,start_s,stop_s,label\nbigbuckbunny.mp4,0,3,{labels[123]}\n"
        f"data/bikes.mp4,0,60,{labels[257]}\n"
    )
    arguments = ["tiny_fp16", "--repository", str(repository), "--windows", "40"]
    result = CliRunner().invoke(
        verify_cli.verify,
        [*arguments, "--videos", str(clip("bigbuckbunny.mp4")), str(clip("bikes.mp4")),
         "--annotations", str(annotations)],
    )  # fmt: skip
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "balanced accuracy, FP32 and this" in result.output
    record = json.loads((repository / "tiny_fp16/1/verification.openvino.json").read_text())
    accuracy = record["figures"]["accuracy"]
    assert accuracy["classes"] == 2
    assert accuracy["windows"] <= record["figures"]["windows"]
    assert result.exit_code == (record["verdict"] == "failed")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("video,start_s,stop_s,label\nbikes.mp4,0,60,flying\n")
    refused = CliRunner().invoke(verify_cli.verify, [*arguments, "--annotations", str(wrong)])
    assert isinstance(refused.exception, ExportError)
    assert "line 2: label: expected one of the model's, got 'flying'" in str(refused.exception)


def test_verify_needs_the_fp32_graph(lower: dict[str, ExportedModel], tmp_path: Path) -> None:
    shutil.copytree(lower["int8"].folder, tmp_path / "tiny_int8")
    with pytest.raises(ExportError, match="export FP32 from the same checkpoint"):
        verify_model(model="tiny_int8", repository=tmp_path, cache=tmp_path / "empty")
    with pytest.raises(ExportError, match="expected an exported model"):
        verify_model(model="nothing", repository=tmp_path)


def test_a_small_or_constant_calibration_set_is_warned_about() -> None:
    assert calibration.doubts([30.0] * 8) == []
    (few,) = calibration.doubts([30.0] * 7)
    assert "7 segments; at least 8" in few
    (flat,) = calibration.doubts([30.0] * 5 + [1.0] * 5)
    assert "5 of 10 calibration segments are nearly constant" in flat


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="precision: expected some of fp32, fp16, int8"):
        export_models(profile="kinetics400", repository=tmp_path, precisions=("int4",))  # type: ignore[arg-type]
    refused = CliRunner().invoke(cli.export, ["kinetics400", "--precision", "fp32", "int4"])
    assert refused.exit_code == 2
