"""Judge what a lab server's Triton answers, before labs can reach it.

    python -m i3d_server.stack_verify --server triton:8001 --windows 4

gives ``i3d verify --server`` for every model of the view. It needs nothing but to read: the record
that the command would put beside a model goes into a repository of links that is thrown away.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def verify_served(*, server: str, view: Path, repository: Path, windows: int) -> list[str]:
    """Return the models that are not near enough to FP32, or could not be judged.

    Args:
        server: ``HOST:PORT`` of Triton.
        view: the folder that Triton serves.
        repository: where the FP32 graphs are.
        windows: to compare, for each model.
    """
    failed = []
    with tempfile.TemporaryDirectory(prefix="i3d-verify-") as name:
        links = Path(name)
        for model in repository.iterdir():
            if (model / "1").is_dir():
                (links / model.name / "1").mkdir(parents=True)
                for graph in (model / "1").glob("*.onnx"):
                    (links / model.name / "1" / graph.name).symlink_to(graph.resolve())
        for model_name in sorted(path.name for path in view.iterdir()):
            command = [sys.executable, "-m", "i3d_client", "verify", model_name]
            command += ["--server", server, "--repository", str(links), "--windows", str(windows)]
            if not _succeeds(command):
                failed.append(model_name)
    return failed


def _succeeds(command: list[str]) -> bool:
    """Run it; leave out where it says that it wrote what is thrown away."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if not line.startswith("written: "):
                sys.stdout.write(line)
    return process.returncode == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify; return 1 if a model failed."""
    parser = argparse.ArgumentParser(prog="python -m i3d_server.stack_verify")
    parser.add_argument("--server", required=True)
    parser.add_argument("--view", type=Path, default=Path("/view/models"))
    parser.add_argument("--repository", type=Path, default=Path("/model_repository"))
    parser.add_argument("--windows", type=int, default=4, help="0 verifies nothing")
    given = parser.parse_args(arguments)
    if given.windows <= 0:
        sys.stdout.write("not verified: VERIFY_WINDOWS=0\n")
        return 0
    failed = verify_served(
        server=given.server, view=given.view, repository=given.repository, windows=given.windows
    )
    if not failed:
        return 0
    sys.stderr.write(
        f"error: {', '.join(failed)}: not verified (see above), so the gateway stays closed. "
        "Export again, or choose the models to serve with MODELS; VERIFY_WINDOWS=0 opens without a "
        "comparison\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
