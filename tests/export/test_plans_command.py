"""``i3d plans`` and the module that does its work where nothing is installed."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.export.conftest import TinyExport

from i3d_client.errors import MissingExtraError
from i3d_export import plans_cli, plans_in_container
from i3d_export.plan_stamp import PlanOptions
from i3d_export.plans_in_container import PlansRequest, split_names

PROJECT = Path(__file__).parents[2]
EXPORT = PROJECT / "export" / "i3d_export"
IN_CONTAINER = (
    "errors",
    "gpu",
    "plan_builder",
    "plan_files",
    "plan_stamp",
    "plans",
    "plans_in_container",
    "tensorrt_module",
)

# The module ``tensorrt`` and the driver's answer, as a GPU host would have them.
GPU_HOST = """
import sys, warnings
import tensorrt_rtx as trt
allowed = set(sys.stdlib_module_names) | {name.partition(".")[0] for name in sys.modules}
allowed |= {"i3d_client", "i3d_export", "numpy"}

class OnlyWhatTheContainerHas:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ImportError(f"{name} is not in the container")

sys.meta_path.insert(0, OnlyWhatTheContainerHas())
from i3d_export import plans_in_container
from i3d_export.gpu import Gpu
gpu = Gpu(name="NVIDIA L4", compute_capability=(8, 9), memory_bytes=1, driver_version="580.95")
plans_in_container.visible_gpus = lambda: (gpu,)
plans_in_container.import_tensorrt = lambda: trt
status = plans_in_container.main(sys.argv[1:])
unwanted = {"click", "tensorflow", "onnx", "onnxruntime", "openvino", "google", "tritonclient"}
assert not unwanted & set(sys.modules), unwanted & set(sys.modules)
sys.exit(status)
"""


def container(repository: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the module as in the container: the interpreter sees its own site-packages alone."""
    pytest.importorskip("tensorrt_rtx")
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", GPU_HOST, "--repository", repository, *arguments],
        env={**os.environ, "I3D_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def repository(tmp_path: Path, tiny: TinyExport) -> Path:
    shutil.copytree(tiny.model.folder, tmp_path / "models" / "tiny_fp32")
    return tmp_path / "models"


def test_plans_are_built_with_what_the_container_holds(repository: Path, tmp_path: Path) -> None:
    first = container(repository, tmp_path / "cache")
    assert (first.returncode, first.stderr) == (0, "")
    head, start, line = first.stdout.splitlines()
    assert head.startswith("TensorRT 1.")
    assert head.endswith(", NVIDIA L4 (8.9), driver 580.95")
    assert start == "tiny_fp32: building, which takes minutes (no plan yet)"
    assert line.startswith("tiny_fp32: built in ")
    second = container(repository, tmp_path / "cache", "--check")
    assert (second.returncode, second.stdout.splitlines()[1]) == (0, "tiny_fp32: up to date")
    assert list((tmp_path / "cache" / "tensorrt").glob("timings-tensorrt_rtx-*-NVIDIA-L4-8.9.bin"))


def test_a_stale_or_failed_plan_is_the_exit_status(repository: Path, tmp_path: Path) -> None:
    stale = container(repository, tmp_path / "cache", "--check")
    assert stale.returncode == 1
    assert "tiny_fp32: stale (no plan yet)" in stale.stdout
    (repository / "tiny_fp32" / "1" / "model.onnx").write_bytes(b"no graph")
    failed = container(repository, tmp_path / "cache")
    assert failed.returncode == 1
    assert "tiny_fp32: failed (TensorRT's parser refuses" in failed.stdout
    unknown = container(repository, tmp_path / "cache", "--models", "nosuch")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: ")


@pytest.mark.parametrize("module", IN_CONTAINER)
def test_the_modules_are_python_of_the_oldest_container(module: str) -> None:
    """Release 24.09, the last for a V100, has Python 3.10."""
    source = (EXPORT / f"{module}.py").read_text()
    ast.parse(source, feature_version=(3, 10))


def test_the_module_runs_in_the_oldest_containers_python() -> None:
    python = shutil.which("python3.10")
    version = [python or "", "-I", "-c", ""]
    if python is None or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("needs a Python 3.10")
    sources = f"{PROJECT / 'client'}:{PROJECT / 'export'}"
    done = subprocess.run(
        [python, "-m", "i3d_export.plans_in_container", "--models", "a,b"],
        env={"PYTHONPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: no ")


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU")
def test_without_a_gpu_the_message_says_what_to_do(repository: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "i3d", "plans", "--repository", repository],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no ")
    assert "Plans are built on the GPU that will run them" in done.stderr
    assert "i3d serve" in done.stderr


def test_a_missing_tensorrt_names_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    from i3d_export.errors import PlanError
    from i3d_export.tensorrt_module import import_tensorrt

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        PlanError, match=r"i3d plans --docker.*pip install 'i3d-triton\[tensorrt\]'"
    ):
        import_tensorrt()


def test_both_commands_have_the_same_options() -> None:
    ours = {
        option
        for action in plans_in_container._parser()._actions
        for option in action.option_strings
    }
    command = {
        option
        for parameter in plans_cli.plans.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert command - {"--docker", "--release"} == ours - {"-h", "--help"}


@pytest.mark.parametrize(
    "request_",
    [
        PlansRequest(repository=Path("/models")),
        PlansRequest(
            repository=Path("/models"),
            models=("a_int8", "b_fp16"),
            options=PlanOptions(
                workspace_gib=2.5, version_compatible=True, hardware_compatible=True
            ),
            check_only=True,
        ),
    ],
)
def test_a_request_survives_its_arguments(
    request_: PlansRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[PlansRequest] = []

    def run(request: PlansRequest, **_: object) -> int:
        seen.append(request)
        return 7

    monkeypatch.setattr(plans_in_container, "run_plans", run)
    assert plans_in_container.main(request_.arguments("/models")) == 7
    assert seen == [request_]


def test_names_are_split_at_commas() -> None:
    assert split_names(None) is None
    assert split_names("a,b,") == ("a", "b")


def test_a_release_without_the_container_and_a_missing_extra_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = CliRunner().invoke(plans_cli.plans, ["--release", "26.06"])
    assert "add --docker" in alone.output
    monkeypatch.setattr(plans_cli, "find_spec", lambda _: None)
    done = CliRunner().invoke(plans_cli.plans, ["--docker"])
    assert isinstance(done.exception, MissingExtraError)
    assert "i3d-triton[docker]" in str(done.exception)


def test_the_release_is_that_of_the_lab_server() -> None:
    common = (Path(__file__).parents[2] / "docker-compose.common.yml").read_text()
    assert f"tensorrt:${{TRITON_RELEASE:-{plans_cli.DEFAULT_RELEASE}}}-py3" in common
