"""Stand-ins for the images that the compose files name, under the very same tags.

No image can be pulled where these tests run. So a plain Debian is made with debootstrap, and on it
what each official image has that ours rely on: Triton's layout with the real ``tritonserver`` of
the ``nvidia-pytriton`` wheel, Debian's nginx, Python and Prometheus. An image that is there under
the tag and is not a stand-in is the real one, and is left alone.

The project's own images are built on them by its own Dockerfiles. Their ``pip install`` finds its
packages in a folder of the stand-in, which pip's own settings name: builds need no network.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.docker_host import CACHE, debian_mirror, run

from i3d_server.installation import find_triton

PROJECT = Path(__file__).parents[2]
LABEL = "i3d.stand-in"
BASE = "i3d-triton-tests-base"
_WHEELHOUSE = "/opt/wheelhouse"
_SUITE, _PYTHON_VERSION = "bookworm", "3.11.2"  # of its Python: some packages want 3.11.5
_PIP = f"ENV PIP_NO_INDEX=1 PIP_FIND_LINKS={_WHEELHOUSE} PIP_ROOT_USER_ACTION=ignore\n"
_APT = "apt-get update && apt-get install -y --no-install-recommends"
_CLEAN = "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb"
# PyPI's pip, as in the official images: Debian's own gives up on what this one resolves.
_PIP_ITSELF = (
    "rm -f /usr/lib/python3*/EXTERNALLY-MANAGED "
    f"&& python3 $(ls {_WHEELHOUSE}/pip-*.whl)/pip install "
    f"--no-index --find-links {_WHEELHOUSE} pip"
)

PYTHON = f"""FROM {BASE}
RUN {_APT} python3 && {_CLEAN} && ln -s /usr/bin/python3 /usr/local/bin/python
COPY wheelhouse {_WHEELHOUSE}
RUN {_PIP_ITSELF}
{_PIP}CMD ["python3"]
"""

# As in the official image: layout, PATH, user 1000, an entry point that runs what it is given.
TRITON = f"""FROM {BASE}
RUN {_APT} python3 libpython3.11 && {_CLEAN}
COPY wheelhouse {_WHEELHOUSE}
RUN {_PIP_ITSELF}
COPY tritonserver /opt/tritonserver
COPY entrypoint.sh /opt/nvidia/nvidia_entrypoint.sh
RUN useradd --uid 1000 --create-home triton-server
ENV PATH=/opt/tritonserver/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    LD_LIBRARY_PATH=/opt/tritonserver/lib
{_PIP}WORKDIR /opt/tritonserver
ENTRYPOINT ["/opt/nvidia/nvidia_entrypoint.sh"]
"""

NGINX = f"""FROM {BASE}
RUN {_APT} nginx-light && {_CLEAN}
CMD ["nginx", "-g", "daemon off;"]
"""

PROMETHEUS = f"""FROM {BASE}
RUN {_APT} prometheus && {_CLEAN} && ln -s /usr/bin/prometheus /bin/prometheus || true
RUN mkdir -p /prometheus && chown 65534:65534 /prometheus
USER 65534
ENTRYPOINT ["/bin/prometheus"]
"""


def make_stand_ins(tags: Mapping[str, str]) -> None:
    """Make what is missing or of another recipe.

    Args:
        tags: the tag by the kind: "triton", "nginx", "python", "prometheus".
    """
    base = _base()
    wheels = _wheelhouse() if {"python", "triton"} & set(tags) else None
    recipes = {"python": PYTHON, "triton": TRITON, "nginx": NGINX, "prometheus": PROMETHEUS}
    for kind, tag in tags.items():
        recipe = recipes[kind]
        key = _hash(recipe, base, wheels[1] if wheels and "wheelhouse" in recipe else "")
        if _is_current(tag, key):
            continue
        with _context(kind, wheels[0] if wheels else None) as folder:
            (folder / "Dockerfile").write_text(recipe)
            run(
                *("docker", "build", "--quiet", "--label", f"{LABEL}={key}", "--tag", tag, folder),
                env={**os.environ, "DOCKER_BUILDKIT": "0"},
                timeout_s=900,
            )


def _is_current(tag: str, key: str) -> bool:
    """Whether the image is there: the real one, or a stand-in of this recipe."""
    command = ["docker", "image", "inspect", tag, "--format", "{{json .Config.Labels}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return False
    found = (json.loads(done.stdout) or {}).get(LABEL)
    return found is None or found == key


@contextmanager
def _context(kind: str, wheels: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{kind}-") as name:
        folder = Path(name)
        if wheels:
            shutil.copytree(wheels, folder / "wheelhouse", copy_function=os.link)
        if kind == "triton":
            _lay_out_triton(folder / "tritonserver")
            entrypoint = folder / "entrypoint.sh"
            entrypoint.write_text('#!/bin/sh\nexec "$@"\n')
            entrypoint.chmod(0o755)
        yield folder


def _lay_out_triton(folder: Path) -> None:
    triton = find_triton()
    (folder / "bin").mkdir(parents=True)
    shutil.copy2(triton.binary, folder / "bin" / "tritonserver")
    shutil.copytree(triton.library_path[0], folder / "lib", symlinks=True)
    python = folder / "backends" / "python"
    shutil.copytree(
        triton.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
    )
    stub = triton.stub.parents[1] / "3.11" / triton.stub.name  # Debian 12's Python, not this one
    shutil.copy2(stub, python / stub.name)


def _base() -> str:
    """Import a plain Debian, kept as an archive; return the image's id."""
    archive = CACHE / f"debian-{_SUITE}.tar"
    if not archive.is_file():
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="debootstrap-") as name:
            root = Path(name) / "root"
            options = ("--variant=minbase", "--include=ca-certificates")
            run("debootstrap", *options, _SUITE, root, debian_mirror())
            for package in (root / "var/cache/apt/archives").glob("*.deb"):
                package.unlink()
            aside = archive.with_suffix(".part")
            run("tar", "-C", root, "-cf", aside, ".")
            aside.replace(archive)
    done = subprocess.run(
        ["docker", "image", "inspect", BASE, "--format", "{{.Id}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return run("docker", "import", archive, BASE).stdout.strip()
    return done.stdout.strip()


def _wheelhouse() -> tuple[Path, str]:
    """Have every package that the images install; return the folder and a hash of what is asked."""
    images = PROJECT / "server" / "images"
    tools = _requirements("labs", "monitoring", "export:onnx,onnxruntime,platformdirs")
    asked = [
        ["pip>=24"],
        [*tools, "hatchling>=1.27"],
        _requirements("export", "demo", "dev:hatchling"),
        [
            str(line)
            for line in (images / "triton-cpu" / "requirements.txt").read_text().split("\n")
        ],
    ]
    key = _hash(_PYTHON_VERSION, *("\n".join(lines) for lines in asked))
    folder = CACHE / "wheelhouse" / key
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="wheels-") as name:
            aside = Path(name) / "wheels"
            for lines in asked:
                listed = Path(name) / "requirements.txt"
                listed.write_text("\n".join(lines))
                run(
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--dest", aside),
                    *("--only-binary", ":all:", "--python-version", _PYTHON_VERSION),
                    *("--requirement", listed),
                )
            aside.rename(folder)
    return folder, key


def _requirements(*extras: str) -> list[str]:
    script = PROJECT / "server" / "images" / "requirements.py"
    return run(sys.executable, script, PROJECT / "pyproject.toml", *extras).stdout.splitlines()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
