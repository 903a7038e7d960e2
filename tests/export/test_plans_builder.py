"""The plan builder's own code, run by TensorRT for RTX: same parser and Python interface, no GPU.

Its plans are not ones that Triton loads. What this shows is that the graphs are parsed and built
strongly typed, and that plans are built, kept and replaced as they should be.
"""

import fcntl
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import helper
from tests.export.conftest import TinyExport
from tests.export.lower_precision import write_fp16, write_int8
from tritonclient.grpc import model_config_pb2

from i3d_export.errors import PlanError
from i3d_export.export import ExportedModel
from i3d_export.gpu import Gpu
from i3d_export.plan_builder import BuildLog, _parse, build_plan, builder_config
from i3d_export.plan_files import max_batch_size
from i3d_export.plan_stamp import PlanOptions
from i3d_export.plans import (
    PlanOutcome,
    build_plan_for_model,
    build_plans,
    check_plan,
)
from i3d_export.tensorrt_module import require_buildable

trt = pytest.importorskip("tensorrt_rtx")

COMMITTED = Path(__file__).parents[2] / "model_repository"
L4 = Gpu(
    name="NVIDIA L4", compute_capability=(8, 9), memory_bytes=24 << 30, driver_version="580.95"
)
A10 = Gpu(
    name="NVIDIA A10", compute_capability=(8, 6), memory_bytes=24 << 30, driver_version="580.95"
)


@pytest.fixture(scope="module")
def graphs(
    tmp_path_factory: pytest.TempPathFactory, kinetics: ExportedModel, tiny: TinyExport
) -> dict[str, Path]:
    """Both models' graphs at FP32, FP16 and INT8, by "<model>_<precision>"."""
    folder = tmp_path_factory.mktemp("graphs")
    random = np.random.default_rng(0)
    found = {}
    for model in (kinetics, tiny.model):
        fp32 = model.folder / "1" / "model.onnx"
        name = model.contract.profile
        shape = model.contract.segment_shape
        found |= {f"{name}_{kind}": folder / f"{name}_{kind}.onnx" for kind in ("fp16", "int8")}
        found[f"{name}_fp32"] = fp32
        write_fp16(fp32, found[f"{name}_fp16"])
        segments = [random.integers(0, 256, shape, dtype=np.uint8)]
        write_int8(fp32, found[f"{name}_int8"], segments)
    return found


@pytest.fixture
def model(tmp_path: Path, tiny: TinyExport) -> Path:
    """A copy of the small model's folder, for a test to spoil."""
    folder = tmp_path / "models" / tiny.model.name
    shutil.copytree(tiny.model.folder, folder)
    return folder


def build(model: Path, *, gpu: Gpu = L4, options: PlanOptions | None = None) -> PlanOutcome:
    return build_plan_for_model(
        model,
        trt=trt,
        gpu=gpu,
        options=options or PlanOptions(),
        cache=model.parent.parent / "cache",
    )


def inventory(model: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((model / "1").iterdir())}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize(("name", "batch"), [("kinetics400", 8), ("tiny", 8)])
def test_every_precision_is_built_strongly_typed(
    graphs: dict[str, Path], tmp_path: Path, name: str, batch: int, precision: str
) -> None:
    log = BuildLog()
    plan = build_plan(
        graphs[f"{name}_{precision}"],
        trt=trt,
        gpu=L4,
        max_batch_size=batch,
        options=PlanOptions(),
        timing_cache=tmp_path / "timings.bin",
        log=log,
    )
    assert plan.graph_precision == precision
    assert not log.errors
    assert plan.activation_bytes is not None
    weights = 12.4e6 * {"fp32": 4, "fp16": 2, "int8": 1}[precision]
    assert 0.9 * weights < plan.plan.nbytes < 2.2 * weights
    assert (tmp_path / "timings.bin").is_file()


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("fp16", True)])
def test_an_fp32_graph_is_built_without_tf32(
    graphs: dict[str, Path], precision: str, allowed: bool
) -> None:
    config = configured(graphs[f"tiny_{precision}"], PlanOptions())
    assert config.get_flag(trt.BuilderFlag.TF32) is allowed


def test_options_reach_the_builder(graphs: dict[str, Path]) -> None:
    options = PlanOptions(workspace_gib=1.5, version_compatible=True)
    config = configured(graphs["tiny_fp32"], options)
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 3 << 29
    assert config.get_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    assert not configured(graphs["tiny_fp32"], PlanOptions()).get_flag(
        trt.BuilderFlag.VERSION_COMPATIBLE
    )


def configured(graph: Path, options: PlanOptions) -> Any:
    logger = BuildLog().logger(trt)
    builder = trt.Builder(logger)
    network, _parser = _parse(trt, builder, logger, graph)
    assert network.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return builder_config(trt, builder, network, gpu=L4, options=options)


def test_a_quantised_bias_is_refused_in_the_parsers_words(
    tiny: TinyExport, model: Path, tmp_path: Path
) -> None:
    segments = [np.zeros(tiny.shape.segment_shape, np.uint8)]
    spoilt = tmp_path / "bias.onnx"
    write_int8(tiny.artefacts / "model.onnx", spoilt, segments, quantised_bias=True)
    spoilt.replace(model / "1" / "model.onnx")
    with pytest.raises(PlanError) as caught:
        build(model)
    message = str(caught.value)
    assert "TensorRT's parser refuses" in message
    assert "node '" in message
    assert "(DequantizeLinear)" in message
    assert "plan.failed.log" in message
    assert "model.plan" not in inventory(model)


def test_a_plan_is_stamped_and_not_built_again(model: Path) -> None:
    built = build(model)
    assert built.action == "built"
    assert built.reason == "no plan yet"
    before = written(model)
    again = build(model)
    assert (again.action, again.reason, again.stamp) == ("up to date", "", built.stamp)
    assert written(model) == before
    document = json.loads((model / "1" / "plan.json").read_text())
    exported = json.loads((model / "1" / "build.json").read_text())
    engine = document["engines"]["tensorrt"]
    assert document["checkpoint_sha256"] == exported["checkpoint_sha256"]
    assert document["precision"] == "fp32"
    assert engine["onnx_sha256"] == exported["onnx_sha256"]
    assert engine["module"] == "tensorrt_rtx"
    assert engine["compute_capability"] == "8.9"
    assert engine["plan_bytes"] == (model / "1" / "model.plan").stat().st_size


def written(model: Path) -> dict[str, tuple[int, int, int]]:
    """What a rewrite of a file would change (not its access time, which reading changes)."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size)
        for path in (model / "1").iterdir()
    }


def test_it_is_built_again_for_another_gpu_option_batch_or_graph(model: Path) -> None:
    build(model)
    assert "NVIDIA A10 (8.6)" in build(model, gpu=A10).reason
    limited = PlanOptions(workspace_gib=4)
    assert "workspace 4 GiB" in build(model, gpu=A10, options=limited).reason
    config = model / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 8", "max_batch_size: 2"))
    assert "max_batch_size was 8, is 2" in build(model, gpu=A10, options=limited).reason
    graph = onnx.load(model / "1" / "model.onnx")
    graph.doc_string = "another"
    onnx.save(graph, model / "1" / "model.onnx")
    assert build(model, gpu=A10, options=limited).reason == "model.onnx has changed"
    assert build(model, gpu=A10, options=limited).action == "up to date"


def test_it_is_built_again_if_its_files_were_changed(model: Path) -> None:
    build(model)
    plan, stamp = model / "1" / "model.plan", model / "1" / "plan.json"
    plan.write_bytes(b"short")
    assert "not the file that plan.json describes" in build(model).reason
    stamp.write_text("{")
    assert "plan.json is missing or cannot be read" in build(model).reason
    plan.unlink()
    assert build(model).reason == "no plan yet"


def test_a_failed_build_keeps_the_plan_and_leaves_its_log(model: Path) -> None:
    """The wheel lacks the library that a version-compatible plan carries: a true failure."""
    build(model)
    before = inventory(model)
    with pytest.raises(PlanError, match=r"could not build the plan: .*libnvinfer_lean"):
        build(model, options=PlanOptions(version_compatible=True))
    after = inventory(model)
    assert "libnvinfer_lean" in after.pop("plan.failed.log").decode()
    assert after == before
    build(model, gpu=A10)
    assert "plan.failed.log" not in inventory(model)


def test_a_plan_that_cannot_be_written_leaves_nothing_by_halves(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inventory(model)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        build(model)
    assert inventory(model) == before


def test_a_failure_leaves_the_other_models_their_turn(model: Path) -> None:
    repository = model.parent
    broken, absent = repository / "broken_fp32", repository / "absent_fp32"
    shutil.copytree(model, broken)
    (broken / "1" / "model.onnx").write_bytes(b"no graph")
    absent.mkdir()
    shutil.copy(model / "config.pbtxt", absent)
    seen: list[PlanOutcome] = []
    outcomes = build_plans(
        repository,
        trt=trt,
        gpu=L4,
        options=PlanOptions(),
        cache=repository.parent / "cache",
        on_outcome=seen.append,
    )
    assert tuple(seen) == outcomes
    assert [outcome.action for outcome in outcomes] == ["not exported", "failed", "built"]
    assert [outcome.usable for outcome in outcomes] == [True, False, True]
    assert str(outcomes[0]) == "absent_fp32: not exported"
    (absent / "1").mkdir()
    (absent / "1" / "build.json").write_text("{}")  # exported, but for OpenVINO alone
    first = build_plans(repository, trt=trt, gpu=L4, options=PlanOptions(), check_only=True)[0]
    assert str(first).startswith("absent_fp32: not exported (for TensorRT: i3d export")
    assert str(outcomes[1]).startswith("broken_fp32: failed (TensorRT's parser refuses")
    assert str(outcomes[2]).startswith("tiny_fp32: built in ")
    assert str(outcomes[2]).endswith("GiB an instance (no plan yet)")


def test_a_cache_that_cannot_be_written_costs_the_timings_alone(model: Path) -> None:
    (model.parent.parent / "cache").write_text("a file")
    assert build(model).action == "built"
    assert "WARNING: timings are not kept" in (model / "1" / "plan.log").read_text()


def test_a_builder_that_does_not_start_is_an_error_of_that_model(model: Path) -> None:
    class NoCuda:
        __name__, __version__, ILogger = trt.__name__, trt.__version__, trt.ILogger

        def Builder(self, logger: Any) -> None:  # noqa: N802 - TensorRT's name
            logger.log(trt.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("factory function returned nullptr")

    (outcome,) = build_plans(model.parent, trt=NoCuda(), gpu=L4, options=PlanOptions())
    assert outcome.action == "failed"
    assert "cannot start on this GPU: CUDA initialization failure" in outcome.reason


def test_names_and_an_empty_repository_are_explained(model: Path, tmp_path: Path) -> None:
    def fails(repository: Path, models: list[str] | None = None) -> str:
        with pytest.raises(PlanError) as caught:
            build_plans(repository, trt=trt, gpu=L4, options=PlanOptions(), models=models)
        return str(caught.value)

    assert "no model named nosuch; there is tiny_fp32" in fails(model.parent, ["nosuch"])
    assert "no such folder" in fails(tmp_path / "nowhere")
    assert "expected at least one model name" in fails(model.parent, [])
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare" / "bare_fp32").mkdir(parents=True)
    shutil.copy(model / "config.pbtxt", tmp_path / "bare" / "bare_fp32")
    (named,) = build_plans(
        tmp_path / "bare", trt=trt, gpu=L4, options=PlanOptions(), models=["bare_fp32"]
    )
    assert named.action == "failed"
    assert "model.onnx is missing: export the model first" in named.reason
    assert not (tmp_path / "bare" / "bare_fp32" / "1").exists()
    assert "no model was exported here" in fails(tmp_path / "empty")
    (model / "1" / "model.onnx").unlink()
    assert "no model was exported here" in fails(model.parent)


def test_checking_builds_nothing(model: Path) -> None:
    outcome = check_plan(model, trt=trt, gpu=L4, options=PlanOptions())
    assert (outcome.action, outcome.reason, outcome.usable) == ("stale", "no plan yet", False)
    assert "model.plan" not in inventory(model)
    build(model)
    assert check_plan(model, trt=trt, gpu=L4, options=PlanOptions()).usable
    assert "NVIDIA A10" in check_plan(model, trt=trt, gpu=A10, options=PlanOptions()).reason


def test_only_the_batch_may_be_free(model: Path) -> None:
    value = helper.make_tensor_value_info
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["FRAMES"], ["OUT"])],
        "fixed",
        [value("FRAMES", float32, [4, 3])],
        [value("OUT", float32, [4, 3])],
    )
    fixed = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(fixed, model / "1" / "model.onnx")
    with pytest.raises(PlanError, match=r"expected a free batch .* got \(4, 3\)"):
        build(model)


def test_old_gpus_are_refused_with_the_release_that_knows_them() -> None:
    class NewTensorRT:
        __name__ = "tensorrt"
        __version__ = "11.0.0.114"

    v100 = Gpu(
        name="Tesla V100", compute_capability=(7, 0), memory_bytes=16 << 30, driver_version="535"
    )
    t4 = Gpu(name="Tesla T4", compute_capability=(7, 5), memory_bytes=1, driver_version="535")
    with pytest.raises(PlanError, match=r"Tesla V100 .*7\.0.*--docker --release 24\.09"):
        require_buildable(NewTensorRT(), v100, PlanOptions())
    require_buildable(NewTensorRT(), t4, PlanOptions())
    with pytest.raises(PlanError, match="without --hardware-compatible"):
        require_buildable(NewTensorRT(), t4, PlanOptions(hardware_compatible=True))


@pytest.mark.parametrize(
    "config", sorted(COMMITTED.glob("*/config.pbtxt")), ids=lambda p: p.parent.name
)
def test_the_batch_size_is_read_as_triton_reads_it(config: Path) -> None:
    parsed = text_format.Parse(config.read_text(), model_config_pb2.ModelConfig())
    assert max_batch_size(config) == parsed.max_batch_size


def test_a_configuration_without_batches_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "config.pbtxt"
    config.write_text('name: "m"\n')
    with pytest.raises(PlanError, match="expected a max_batch_size of 1 or more"):
        max_batch_size(config)


def test_two_builds_of_one_model_wait_for_each_other(model: Path) -> None:
    outcomes: list[PlanOutcome] = []
    second = threading.Thread(target=lambda: outcomes.append(build(model)))
    handle = os.open(model / "1", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    second.start()
    second.join(timeout=0.5)
    assert second.is_alive()
    os.close(handle)
    second.join(timeout=60)
    assert [outcome.action for outcome in outcomes] == ["built"]
