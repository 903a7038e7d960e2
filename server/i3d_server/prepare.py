"""What a lab server needs before Triton starts: certificates, folders, the view of the repository.

    python -m i3d_server.prepare --engine openvino

runs as root in a container of the stack, since the folders belong to whoever checked the project
out and the other services run as nobody in particular. Owners stay as they are. The gateway's user
gets what it needs through its group: the key of the gateway's certificate to read, the folder of
the log to write.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from i3d_client.errors import I3dError
from i3d_server.errors import RepositoryError
from i3d_server.labs import LabServer, init_labs
from i3d_server.repository_view import ENGINES, Engine, RepositoryView, make_view

GATEWAY_GROUP = 8443
TRITON_USER = 1000
_SHARED_KEY, _SHARED_FOLDER = 0o640, 0o775


def prepare_labs(*, labs: Path, logs: Path, hosts: Sequence[str] = ()) -> LabServer:
    """Make what is missing in the labs' folder, and let the gateway in.

    Args:
        labs: the labs' folder.
        logs: folder of the gateway's log.
        hosts: names by which labs reach the gateway; none keeps those of the certificate.

    Raises:
        LabsError: the labs' folder cannot be used.
    """
    made = init_labs(labs=labs, hosts=hosts)
    _share(labs / "gateway" / "server.key", mode=_SHARED_KEY)
    logs.mkdir(parents=True, exist_ok=True)
    _share(logs, mode=_SHARED_FOLDER)
    return made


def prepare_view(
    *, repository: Path, engine: Engine, view: Path, models: Sequence[str] | None = None
) -> RepositoryView:
    """Replace ``view/models`` by a view of the repository as it is now.

    Args:
        repository: the model repository, at the path that Triton sees it at too.
        engine: what will execute the models.
        view: folder in which ``models`` is made.
        models: names; None means all that are complete.

    Raises:
        RepositoryError: nothing can be served, or Triton's user may not read it.
    """
    coming, there, past = (view / name for name in (".coming", "models", ".past"))
    for folder in (coming, past):
        shutil.rmtree(folder, ignore_errors=True)
    made = make_view(repository, engine=engine, folder=coming, models=models)
    for name in made.models:
        _require_readable(repository / name)
    if there.exists():
        there.rename(past)
    coming.rename(there)
    shutil.rmtree(past, ignore_errors=True)
    return made


def _share(path: Path, *, mode: int) -> None:
    os.chown(path, -1, GATEWAY_GROUP)
    path.chmod(mode)


def _require_readable(model: Path) -> None:
    """Refuse files that only their owner reads: Triton would say so less clearly."""
    for path in (model, *model.rglob("*")):
        needed = 0o005 if path.is_dir() else 0o004
        state = path.stat()
        if state.st_mode & needed != needed and state.st_uid != TRITON_USER:
            raise RepositoryError(
                f"{path}: Triton, which runs as user {TRITON_USER}, may not read it. Run: "
                f"chmod -R a+rX {model}"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare everything; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m i3d_server.prepare")
    engine = os.environ.get("I3D_ENGINE")
    parser.add_argument("--engine", choices=list(ENGINES), default=engine, required=not engine)
    parser.add_argument("--repository", type=Path, default=Path("/model_repository"))
    parser.add_argument("--view", type=Path, default=Path("/view"))
    parser.add_argument("--labs", type=Path, default=Path("/labs"))
    parser.add_argument("--logs", type=Path, default=Path("/logs"))
    parser.add_argument("--models", default="", help="separated by commas; all if empty")
    parser.add_argument("--hosts", default="", help="separated by commas; those of before if empty")
    given = parser.parse_args(arguments)
    os.umask(0o022)
    try:
        labs = prepare_labs(labs=given.labs, logs=given.logs, hosts=_names(given.hosts))
        view = prepare_view(
            repository=given.repository,
            engine=given.engine,
            view=given.view,
            models=_names(given.models) or None,
        )
    except I3dError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    lines = [f"gateway: certificate for {', '.join(labs.hosts)}, until {labs.expires:%Y-%m-%d}"]
    lines += [f"serving {name}" for name in view.models]
    lines += [f"skipped {model}" for model in view.skipped]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", text) if name]


if __name__ == "__main__":
    sys.exit(main())
