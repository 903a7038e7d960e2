"""A network for its features alone: what it says, how near INT8 is, and what a server gives."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.export.conftest import TinyExport
from tritonclient.grpc import InferenceServerClient, InferInput

from i3d_client.errors import ContractError
from i3d_export.answers import onnxruntime_answer
from i3d_export.default_clips import clip
from i3d_export.export import ExportedModel
from i3d_export.feature_model import PLACEHOLDERS, export_feature_model, feature_contract
from i3d_export.profiles import load_profile
from i3d_export.sampling import Piece, Sample, read_pieces, sampled_video
from i3d_server.launcher import serving

CLIPS = (clip("bigbuckbunny.mp4"), clip("bikes.mp4"))


@pytest.fixture(scope="module")
def models(tiny: TinyExport, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ExportedModel]:
    repository = tmp_path_factory.mktemp("features")
    doubts: list[str] = []
    made = {
        precision: export_feature_model(
            profile=str(tiny.profile), repository=repository, precision=precision, videos=CLIPS,
            checkpoint=tiny.checkpoint, windows=3, cache=tiny.cache, on_doubt=doubts.append,
        )
        for precision in ("fp32", "int8")
    }  # fmt: skip
    assert doubts == []
    return made


def test_it_is_the_profiles_network_under_placeholders(
    models: dict[str, ExportedModel], tiny: TinyExport
) -> None:
    for precision, model in models.items():
        assert model.name == f"tiny-features-s8_{precision}"
        assert model.contract.labels == PLACEHOLDERS
        assert (model.contract.stride, model.contract.windows_per_segment) == (8, 3)
        for field in ("height", "width", "colour", "clip_frames", "resize", "normalisation"):
            assert getattr(model.contract, field) == getattr(tiny.model.contract, field)
        assert model.judged == ()
        build = json.loads((model.folder / "1/build.json").read_text())
        assert "untrained" in build["head"]
        assert build["precision"] == precision


def test_int8_is_compared_by_features_on_other_frames(models: dict[str, ExportedModel]) -> None:
    folder = models["int8"].folder / "1"
    record = json.loads((folder / "verification.openvino.json").read_text())
    build = json.loads((folder / "build.json").read_text())
    assert record["features"] == build["features"]
    assert record["features"]["windows"] >= 40
    assert 0.98 <= record["features"]["mean_cosine"] < 1
    assert record["features"]["worst_cosine"] <= record["features"]["mean_cosine"]
    assert "figures" not in record  # its probabilities mean nothing
    used = build["calibration"]["frames"]
    assert len(used) == 2
    for entry in record["evidence"]["videos"]:
        taken = {f for first, stop in used[entry["sha256"]] for f in range(first, stop)}
        assert not taken & {f for first, stop in entry["frames"] for f in range(first, stop)}


def test_a_server_gives_the_features_of_the_profiles_network(
    models: dict[str, ExportedModel], tiny: TinyExport
) -> None:
    contract = models["fp32"].contract
    video = sampled_video(CLIPS[0], contract=contract)
    piece = Piece(video=0, start=40, stop=40 + contract.segment_frames)
    ((_, segment),) = read_pieces(Sample(videos=(video,), pieces=(piece,)), contract=contract)
    # The small network's windows are a frame apart: the first three of a segment of its own.
    by_profile = onnxruntime_answer(tiny.artefacts / "model.onnx", output="FEATURES")
    expected = np.stack([by_profile(segment[start : start + 18])[0] for start in (0, 8)])
    with serving(models["fp32"].folder.parent) as served:
        client = InferenceServerClient(served.triton.address)
        for precision, least in (("fp32", 0.99999), ("int8", 0.95)):
            tensor = InferInput("FRAMES", [1, *segment.shape], "UINT8")
            tensor.set_data_from_numpy(segment[np.newaxis])
            features = client.infer(models[precision].name, [tensor]).as_numpy("FEATURES")[0]
            assert features.shape == (3, 1024)
            lengths = np.linalg.norm(features[:2], axis=1) * np.linalg.norm(expected, axis=1)
            assert ((features[:2] * expected).sum(axis=1) / lengths).min() > least
        client.close()


def test_a_segment_is_as_large_as_memory_has_room_for(tmp_path: Path) -> None:
    homecage = feature_contract(load_profile("homecage9").contract, stride=8)
    assert (homecage.stride, homecage.windows_per_segment) == (8, 16)
    kinetics = feature_contract(load_profile("kinetics400").contract, stride=8)
    assert (kinetics.stride, kinetics.windows_per_segment) == (8, 3)
    assert feature_contract(load_profile("homecage9").contract, stride=2, windows=5) != homecage
    with pytest.raises(ContractError, match="stride"):
        export_feature_model(
            profile="homecage9", repository=tmp_path, precision="int8", stride=17, cache=tmp_path
        )
