"""The wheel holds what it should, and the client works without the heavy parts."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=PROJECT
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_exactly_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    packages = {
        "i3d_client",
        "i3d_ethogram",
        "i3d_export",
        "i3d_fit",
        "i3d_server",
        "i3d_bench",
    }
    assert {name for name in top if not name.endswith(".dist-info")} == packages
    for package in packages:
        assert f"{package}/py.typed" in names
    assert "i3d_export/profiles/kinetics400.toml" in names
    assert "i3d_server/openvino_cpu/model.py" in names
    assert "i3d_ethogram/page/templates/report.html.j2" in names
    assert "i3d_fit/templates/fit_report.html.j2" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_client_works_with_the_base_dependencies_alone(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python, i3d = tmp_path / "venv/bin/python", tmp_path / "venv/bin/i3d"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    help_text = run(i3d, "--help").stdout
    for command in ("classify", "models", "export", "fit", "suggest", "serve"):
        assert command in help_text
        assert run(i3d, command, "--help").stdout.startswith("Usage: ")
    installed = run(python, "-m", "pip", "list").stdout.lower()
    for heavy in ("tensorflow", "openvino", "onnx", "pytriton"):
        assert heavy not in installed
    (tmp_path / "labels.csv").touch()
    fit = ["fit", "--videos", "a.mp4", "--annotations", "labels.csv", "--out", "mine"]
    for command, extra in (
        (["export", "kinetics400"], "export"),
        (["serve"], "server"),
        (fit, "export,fit,server"),
    ):
        done = subprocess.run(
            [i3d, *command], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 1
        assert f"pip install 'i3d-triton[{extra}]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_help_imports_nothing_heavy() -> None:
    loaded = run(
        sys.executable,
        "-c",
        "import sys; from i3d_client.cli import i3d\n"
        "try: i3d.main(['--help'], prog_name='i3d')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'cv2', 'av', 'grpc', 'tensorflow', 'openvino', 'rich')"
        " if m in sys.modules], file=sys.stderr)",
    ).stderr
    assert loaded.strip() == "[]"
