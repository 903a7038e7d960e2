"""What can be said of the TensorRT configurations without a GPU: the real Triton reads them.

The Triton in the wheel has no TensorRT backend. It reads a configuration and checks its batching
and its queues before it looks for the backend, so that is where a right one must end.
"""

import shutil
from pathlib import Path

import pytest

from i3d_server.errors import ServerStartError
from i3d_server.triton_process import running_triton

COMMITTED = Path(__file__).parents[2] / "model_repository"
MODELS = sorted(path.parent.name for path in COMMITTED.glob("*/config.pbtxt"))


def start_fails(folder: Path, *, model: str, text: str) -> str:
    """Serve a model with a plan that is none; return why Triton did not start, and its log."""
    shutil.copytree(COMMITTED / model, folder / model, ignore=shutil.ignore_patterns("1"))
    (folder / model / "config.pbtxt").write_text(text)
    (folder / model / "1").mkdir()
    (folder / model / "1" / "model.plan").write_bytes(b"no plan")
    with pytest.raises(ServerStartError) as caught, running_triton(folder):
        pass
    message = str(caught.value)
    log = Path(message.rpartition("Its log: ")[2].strip())
    try:
        return message + log.read_text()
    finally:
        log.unlink()


@pytest.mark.parametrize("model", MODELS)
def test_the_only_thing_triton_lacks_is_the_backend(tmp_path: Path, model: str) -> None:
    said = start_fails(tmp_path, model=model, text=(COMMITTED / model / "config.pbtxt").read_text())
    assert f"model {model} is broken: Invalid argument: unable to find backend library" in said


def test_inconsistent_batching_is_found_before_the_backend(tmp_path: Path) -> None:
    model = "kinetics400_fp32"
    good = (COMMITTED / model / "config.pbtxt").read_text()
    bad = good.replace("preferred_batch_size: 8", "preferred_batch_size: 9")
    assert bad != good
    said = start_fails(tmp_path, model=model, text=bad)
    assert "unable to find backend" not in said
    assert "preferred" in said
