"""Where the real Triton is in this environment, and whether it can run here.

The ``nvidia-pytriton`` wheel carries ``tritonserver`` with its Python backend; pytriton itself is
never imported. Triton runs a model in a "stub", a program linked against libpython, so the shared
libpython of this very Python must exist, and the stub must see this environment's packages. Two
things would go wrong without a word and are checked here: with numpy 2 the stub returns empty
tensors, and a stub of another Python version sees no packages.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from i3d_client.errors import MissingExtraError
from i3d_server.errors import UnsupportedPlatformError

_LEAST_GLIBC = (2, 35)
_WHEEL = "nvidia-pytriton"


@dataclass(frozen=True, kw_only=True)
class TritonInstallation:
    """The parts of a Triton that can run here; every path exists.

    Attributes:
        binary: ``tritonserver``.
        python_backend: the folder of ``libtriton_python.so`` and its Python module.
        stub: the stub program of this Python's version.
        library_path: folders for ``LD_LIBRARY_PATH``.
        python_path: folders for ``PYTHONPATH``, where the stub finds numpy and OpenVINO.
    """

    binary: Path
    python_backend: Path
    stub: Path
    library_path: tuple[Path, ...]
    python_path: tuple[Path, ...]


def find_triton() -> TritonInstallation:
    """Find the Triton of this environment and check that it can run.

    Raises:
        UnsupportedPlatformError: no wheel for this machine, no stub or no libpython for this
            Python, or a numpy that the stub cannot use.
        MissingExtraError: the machine is supported, but the ``server`` extra is not installed.
    """
    check_platform(
        system=platform.system(), machine=platform.machine(), libc=_glibc(), python=_python()
    )
    package, openvino = find_spec("pytriton"), find_spec("openvino")
    if package is None or not package.submodule_search_locations or openvino is None:
        raise MissingExtraError("server", needed_for="the embedded Triton server")
    check_numpy(version("numpy"))
    folder = Path(next(iter(package.submodule_search_locations)))
    triton = folder / "tritonserver"
    return TritonInstallation(
        binary=_existing(triton / "bin" / "tritonserver"),
        python_backend=_existing(triton / "backends" / "python"),
        stub=find_stub(triton / "python_backend_stubs", python=_python()),
        library_path=(_existing(folder.parent / "nvidia_pytriton.libs"), find_libpython()),
        python_path=_package_folders("numpy", "openvino"),
    )


def check_platform(*, system: str, machine: str, libc: tuple[int, int] | None, python: str) -> None:
    """Refuse machines that the wheel is not made for.

    Args:
        system: as ``platform.system()`` says.
        machine: as ``platform.machine()`` says.
        libc: version of glibc; None where the C library is another.
        python: "3.11".
    """
    least = ".".join(map(str, _LEAST_GLIBC))
    found = "another C library" if libc is None else f"glibc {libc[0]}.{libc[1]}"
    if (system, machine) != ("Linux", "x86_64") or libc is None or libc < _LEAST_GLIBC:
        raise UnsupportedPlatformError(
            f"the embedded Triton runs on x86-64 Linux with glibc {least} or newer; this is "
            f"{system} on {machine} with {found}, Python {python}. Use a Triton server on another "
            "machine: i3d classify --server HOST:PORT"
        )


def check_numpy(numpy_version: str) -> None:
    """Refuse numpy 2: Triton's stub returns empty tensors with it, and no error."""
    if int(numpy_version.split(".", maxsplit=1)[0]) >= 2:
        raise UnsupportedPlatformError(
            f"numpy {numpy_version} is installed, and the Python backend of the embedded Triton "
            "needs numpy < 2 (with numpy 2 it returns empty tensors without an error). Run: "
            "pip install 'numpy<2'"
        )


def find_stub(stubs: Path, *, python: str) -> Path:
    """Return the stub for Python ``python`` ("3.11") in the wheel's folder of stubs."""
    stub = stubs / python / "triton_python_backend_stub"
    if not stub.is_file():
        known = sorted((path.name for path in stubs.iterdir()), key=_numbers)
        raise UnsupportedPlatformError(
            f"the {_WHEEL} wheel has no stub for Python {python}; it has {', '.join(known)}. "
            "Make the virtual environment with one of these"
        )
    return stub


def find_libpython() -> Path:
    """Return the folder that holds this Python's shared library, which the stub links to."""
    name = f"libpython{_python()}.so.1.0"
    folders = libpython_folders()
    for folder in folders:
        if (folder / name).is_file():
            return folder
    raise UnsupportedPlatformError(
        f"{name} was not found in {', '.join(map(str, folders))}; Triton's Python backend links "
        f"to it. Debian and Ubuntu: apt install libpython{_python()}; pyenv: install Python with "
        "PYTHON_CONFIGURE_OPTS=--enable-shared"
    )


def libpython_folders() -> list[Path]:
    """Folders where the shared libpython of the running Python may be, likeliest first."""
    libdir = sysconfig.get_config_var("LIBDIR")
    multiarch = sysconfig.get_config_var("MULTIARCH")
    folders = [Path(sys.base_prefix) / "lib"]
    if libdir:
        folders += [Path(libdir), *([Path(libdir) / multiarch] if multiarch else [])]
    folders += [Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib64")]
    return list(dict.fromkeys(folders))


def _package_folders(*packages: str) -> tuple[Path, ...]:
    found = [spec.origin for name in packages if (spec := find_spec(name)) and spec.origin]
    folders = [Path(origin).parent.parent for origin in found]
    return tuple(dict.fromkeys([*folders, Path(sysconfig.get_path("purelib"))]))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise UnsupportedPlatformError(
            f"{path} is missing: this release of {_WHEEL} is laid out otherwise than 0.7, or its "
            f"installation is damaged. Run: pip install --force-reinstall '{_WHEEL}>=0.7,<0.8'"
        )
    return path


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _numbers(python: str) -> list[int]:
    return [int(part) for part in python.split(".") if part.isdigit()]


def _glibc() -> tuple[int, int] | None:
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return None
    name, _, number = text.partition(" ")
    if name != "glibc":
        return None
    major, minor = number.split(".")[:2]
    return int(major), int(minor)
