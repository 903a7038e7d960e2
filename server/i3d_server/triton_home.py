"""The folder that Triton runs from: its backends, and a Python environment for its stubs.

Triton refuses a backend library that is a link out of the backend folder, so that one is copied
(1.4 MB). The stub is a link: a program that was written a moment ago can be "Text file busy" when
Triton starts it (seen once in some twenty starts), and Triton then waits for it for ever. The stub
of the wheel starts Python in isolated mode: it ignores PYTHONPATH and PYTHONHOME, and takes the
environment of the first ``python3`` on PATH. So it is given a virtual environment that holds
nothing but a path file, which names the folders of this environment's packages: the same numpy and
OpenVINO in a venv, a conda environment or a user's site.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from i3d_server.installation import TritonInstallation

OPENVINO_BACKEND = Path(__file__).with_name("openvino_cpu") / "model.py"


@dataclass(frozen=True, kw_only=True)
class TritonHome:
    """What ``tritonserver`` is started with.

    Attributes:
        binary: ``tritonserver``.
        backends: for ``--backend-directory``.
        environment: its environment variables, complete.
    """

    binary: Path
    backends: Path
    environment: dict[str, str]


def make_triton_home(triton: TritonInstallation, folder: Path, *, cache: Path) -> TritonHome:
    """Fill ``folder`` with backends and the stub's environment.

    Args:
        triton: where the parts are.
        folder: made if it is not there.
        cache: where OpenVINO keeps compiled networks.
    """
    backends = folder / "backends"
    python_backend = backends / "python"
    python_backend.mkdir(parents=True)
    for source in triton.python_backend.iterdir():
        if source.is_file():
            shutil.copyfile(source, python_backend / source.name)
    (python_backend / triton.stub.name).symlink_to(triton.stub)
    (backends / "openvino_cpu").mkdir()
    shutil.copyfile(OPENVINO_BACKEND, backends / "openvino_cpu" / "model.py")
    programs = _make_stub_environment(folder / "environment", triton.python_path)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, triton.library_path)),
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "I3D_OPENVINO_CACHE": str(cache),
    }
    return TritonHome(binary=triton.binary, backends=backends, environment=environment)


def _make_stub_environment(folder: Path, packages: tuple[Path, ...]) -> Path:
    """Make the virtual environment; return its folder of programs."""
    base = Path(sys._base_executable)  # type: ignore[attr-defined]
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(base)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = folder / "lib" / version / "site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / "i3d.pth").write_text("".join(f"{path}\n" for path in packages))
    (folder / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
    )
    return programs
