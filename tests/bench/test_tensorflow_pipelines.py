"""The paper's pipelines in TensorFlow give the right answers for contracts that are not its own."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakeVideo

from i3d_bench.bench.clients import HeldProcess
from i3d_bench.bench.opencv_reader import SegmentReader
from i3d_bench.bench.pipeline_run import Run
from i3d_bench.bench.subject import Subject, take_subject
from i3d_bench.bench.tensorflow import find_variables, prepare, run_tensorflow
from i3d_bench.number_network import number_contract
from i3d_client.access import Access
from i3d_client.contract import ModelContract
from i3d_client.triton import Model
from i3d_export.architecture import variable_shapes
from i3d_export.checkpoint import load_variables_file, save_variables

# Grey, and three windows a segment that share frames.
CONTRACT = number_contract(clip_frames=16, stride=5, windows=3)
TOLERANCE = 2e-6
WINDOWS = 10  # the last segment has one


def brighter_and_brighter(number: int) -> np.ndarray:
    chance = np.random.default_rng(number // 20)
    return (chance.random((32, 32, 1)) * (55 + 2 * number)).astype(np.uint8).repeat(3, axis=2)


def write_variables(path: Path, contract: ModelContract) -> Path:
    chance = np.random.default_rng(0)
    shapes = variable_shapes(classes=len(contract.labels))
    values = {
        name: (
            np.ones(shape, np.float32)
            if name.endswith("moving_variance")
            else chance.normal(0, (2 / max(1, np.prod(shape[:-1]))) ** 0.5, shape)
        ).astype(np.float32)
        for name, shape in shapes.items()
    }
    values["Logits/Conv3d_0c_1x1/conv_3d/w"] /= 3  # or one class would have it all
    save_variables(values, path)
    return path


def expected(subject: Subject, variables: Path) -> np.ndarray:
    """The network on every window, one after another."""
    from i3d_export.network import build_network, load_variables

    contract = subject.contract
    network = build_network(
        clip_frames=contract.clip_frames, height=32, width=32, classes=len(contract.labels)
    )
    load_variables(network, load_variables_file(variables))
    with SegmentReader(subject.video, contract, num_frames=subject.num_frames) as reader:
        segments = [reader.read() for _ in range(subject.segments)]
    found = []
    for window in range(subject.windows):
        segment, place = divmod(window, contract.windows_per_segment)
        frames = segments[segment][place * 5 : place * 5 + 16].astype(np.float32)
        values = np.repeat(frames / contract.normalisation.divide_by, 3, axis=-1)
        logits = network(values[np.newaxis])[0].numpy()[0].astype(float)
        odds = np.exp(logits - logits.max())
        found.append(odds / odds.sum())
    return np.array(found)


def test_all_three_give_every_window_its_answer(make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video(90, picture=brighter_and_brighter, width=32, height=32)
    subject = take_subject(video, CONTRACT, windows=WINDOWS)
    variables = write_variables(tmp_path / "variables.npz", CONTRACT)
    run = Run(
        subject=subject,
        access=Access(server="nowhere:1"),
        model="",
        cores=1,
        batch_segments=2,
        request_segments=1,
        traced=True,
    )
    with HeldProcess(1, prepare, (CONTRACT, variables, 6)) as process:
        wanted = process.call(expected, subject, variables)
        apart = np.abs(np.diff(wanted, axis=0)).max(1)
        assert apart.min() > 20 * TOLERANCE  # windows have answers of their own
        for pipeline in ("tf_synchronous", "tf_parallel", "tf_asynchronous"):
            outcome = process.call(run_tensorflow, pipeline, run)
            np.testing.assert_allclose(outcome.probabilities, wanted, atol=TOLERANCE)
            assert outcome.seconds > 0
            loads = [one for one in outcome.intervals if one.what == "load"]
            requests = [one for one in outcome.intervals if one.what == "request"]
            assert (len(loads), len(requests)) == (4, 2)
            if pipeline == "tf_synchronous":
                assert loads[1].stop_ns <= requests[0].start_ns
                assert requests[0].stop_ns <= loads[2].start_ns  # nothing is read meanwhile


def model(build: dict[str, object]) -> Model:
    return Model(name="m_fp32", version="1", ready=True, contract=None, engine="", build=build)


def test_variables_are_found_by_what_the_model_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I3D_CACHE", str(tmp_path))
    for name, figures in {
        "other": {"checkpoint_sha256": "b", "classes": 32},
        "random": {"checkpoint_sha256": "a", "classes": 32, "head": "random"},
        "this": {"checkpoint_sha256": "a", "classes": 32},
    }.items():
        folder = tmp_path / "stages" / "variables" / name
        folder.mkdir(parents=True)
        (folder / "stage.json").write_text(json.dumps({"figures": figures}))
    found = find_variables(model({"checkpoint_sha256": "a"}), CONTRACT)
    assert found == tmp_path / "stages" / "variables" / "this" / "variables.npz"
    with pytest.raises(LookupError, match="where `i3d export` ran"):
        find_variables(model({"checkpoint_sha256": "c"}), CONTRACT)
    with pytest.raises(LookupError, match="m_fp32"):
        find_variables(model({}), CONTRACT)
