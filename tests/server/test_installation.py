"""What is said where the embedded Triton cannot run."""

from pathlib import Path

import pytest

from i3d_client.errors import MissingExtraError
from i3d_server import installation
from i3d_server.errors import ServerStartError, UnsupportedPlatformError
from i3d_server.installation import check_numpy, check_platform, find_stub, find_triton
from i3d_server.repository_view import read_config
from i3d_server.shared_memory import batch_bytes, require_shared_memory

SUPPORTED = {"system": "Linux", "machine": "x86_64", "libc": (2, 35), "python": "3.11"}


def test_this_machine_is_complete() -> None:
    triton = find_triton()
    assert triton.binary.is_file()
    assert triton.stub.is_file()
    assert (triton.python_path[0] / "numpy").is_dir()


@pytest.mark.parametrize(
    "difference",
    [
        {"system": "Darwin", "machine": "arm64", "libc": None},
        {"machine": "aarch64"},
        {"libc": (2, 31)},
        {"libc": None},
    ],
)
def test_other_platforms_are_told_to_use_a_server_elsewhere(difference: dict[str, object]) -> None:
    with pytest.raises(UnsupportedPlatformError, match="i3d classify --server HOST:PORT"):
        check_platform(**{**SUPPORTED, **difference})  # type: ignore[arg-type]
    check_platform(**SUPPORTED)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["2.0.0", "2.3.1", "10.0"])
def test_numpy_2_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedPlatformError, match="numpy<2"):
        check_numpy(version)
    check_numpy("1.26.4")


def test_a_python_without_stub_is_told_which_there_are(tmp_path: Path) -> None:
    for python in ("3.9", "3.10", "3.11"):
        (tmp_path / python).mkdir()
        (tmp_path / python / "triton_python_backend_stub").touch()
    assert find_stub(tmp_path, python="3.11").is_file()
    with pytest.raises(UnsupportedPlatformError, match=r"Python 3\.14; it has 3\.9, 3\.10, 3\.11"):
        find_stub(tmp_path, python="3.14")


def test_a_python_without_shared_library_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installation, "libpython_folders", lambda: [tmp_path])
    with pytest.raises(UnsupportedPlatformError, match=r"libpython3\.\d+\.so\.1\.0 was not found"):
        find_triton()


@pytest.mark.parametrize("absent", ["pytriton", "openvino"])
def test_an_absent_extra_is_named(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    real = installation.find_spec
    monkeypatch.setattr(
        installation, "find_spec", lambda name: None if name == absent else real(name)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'i3d-triton\[server\]'"):
        find_triton()


def test_too_little_shared_memory_is_refused_before_the_start(tiny_repository: Path) -> None:
    config = read_config(tiny_repository / "tiny_fp32/configs/cpu.pbtxt")
    frames, windows = 24 * 64 * 32, 2 * (5 + 1024) * 4
    assert batch_bytes(config) == 4 * (frames + windows)
    require_shared_memory(tiny_repository, config_name="cpu", free_bytes=64 * 2**20)
    with pytest.raises(ServerStartError, match="has 8 MB free"):
        require_shared_memory(tiny_repository, config_name="cpu", free_bytes=8 * 2**20)
