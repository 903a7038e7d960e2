"""Real Docker on this machine: installed where it may be, a daemon, and both Composes.

Everything that is made stays in one cache folder (``I3D_DEPLOY_CACHE``, else
``~/.cache/i3d-triton-tests``), so that the next run finds it. A daemon that already answers is used
as it is; one that is started here goes on after the tests (data: ``/var/lib/i3d-triton-tests``) and
is never ended by them.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("I3D_DEPLOY_CACHE") or Path.home() / ".cache" / "i3d-triton-tests")
REQUIRED = os.environ.get("I3D_DEPLOY_REQUIRED") == "1"
_DAEMON_DATA = "/var/lib/i3d-triton-tests"
_PROGRAMS = ("dockerd", "docker-compose", "debootstrap", "iptables")
_SOURCES = """Types: deb
URIs: {mirror}
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


class DockerMissing(Exception):  # noqa: N818 - not an error: a reason to skip
    """Real Docker cannot be had here."""


@dataclass(frozen=True, kw_only=True)
class Compose:
    """One generation of Compose: as a user has it who has no other.

    Attributes:
        command: what is typed.
        environment: what makes this generation the one that is found.
    """

    command: tuple[str, ...]
    environment: dict[str, str]


def run(
    *command: object, timeout_s: float = 600, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed."""
    done = subprocess.run(  # type: ignore[call-overload]
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
        **options,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done  # type: ignore[no-any-return]


def require_docker() -> None:
    """Have a daemon, or skip; fail where a skip is not allowed (``I3D_DEPLOY_REQUIRED=1``)."""
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        _install()
        _start_daemon()
    except DockerMissing as reason:
        if REQUIRED:
            pytest.fail(f"Docker is required here (I3D_DEPLOY_REQUIRED=1): {reason}")
        pytest.skip(f"no real Docker: {reason}")


def compose_v1() -> Compose:
    """``docker-compose`` 1.29, on a machine whose ``docker`` has no plugin."""
    found = shutil.which("docker-compose")
    assert found, "the package docker-compose of Debian 12 is v1"
    assert "1.29" in run(found, "version", "--short").stdout
    settings = CACHE / "docker-config-v1"
    settings.mkdir(exist_ok=True)
    return Compose(command=("docker-compose",), environment={"DOCKER_CONFIG": str(settings)})


def compose_v2() -> Compose:
    """``docker compose``: Debian 13's package, unpacked beside v1."""
    settings = CACHE / "docker-config-v2"
    plugin = settings / "cli-plugins" / "docker-compose"
    if not plugin.is_file():
        plugin.parent.mkdir(parents=True, exist_ok=True)
        _fetch_compose_v2(plugin)
    environment = {"DOCKER_CONFIG": str(settings)}
    command = ("docker", "compose")
    said = run(*command, "version", "--short", env={**os.environ, **environment}).stdout
    assert said.lstrip("v").startswith("2."), said
    return Compose(command=command, environment=environment)


def debian_mirror() -> str:
    """Return where this machine gets Debian's packages from."""
    said = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm").stdout
    return said.split()[0].rstrip("/")


def _install() -> None:
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise DockerMissing(f"{', '.join(missing)} not installed, and no right to install packages")
    script = Path(__file__).with_name("install-programs.sh")
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DockerMissing(f"{script}: {done.stderr[-1000:]}")


def _start_daemon() -> None:
    if _answers():
        return
    if os.geteuid() != 0:
        raise DockerMissing("no Docker daemon answers, and no right to start one")
    with (CACHE / "dockerd.log").open("ab") as log:
        subprocess.run(  # setsid --fork: a child of nobody here, so that it outlives the tests
            ["setsid", "--fork", "dockerd", "--data-root", _DAEMON_DATA],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    deadline = time.monotonic() + 60
    while not _answers():
        if time.monotonic() > deadline:
            said = (CACHE / "dockerd.log").read_text()[-2000:]
            raise DockerMissing(f"dockerd did not start: {said}")
        time.sleep(0.5)


def _answers() -> bool:
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fetch_compose_v2(plugin: Path) -> None:
    folder = CACHE / "compose-v2"
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "trixie.sources").write_text(_SOURCES.format(mirror=debian_mirror()))
    settings = {
        "Dir::Etc::sourcelist": folder / "trixie.sources",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache::archives": folder / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
    }
    apt: Sequence[str] = [
        "apt-get",
        *(part for key, value in settings.items() for part in ("-o", f"{key}={value}")),
    ]
    run(*apt, "update")
    run(*apt, "download", "docker-compose", cwd=folder)
    (package,) = folder.glob("docker-compose_2*.deb")
    run("dpkg-deb", "-x", package, folder / "unpacked")
    shutil.copy2(folder / "unpacked/usr/libexec/docker/cli-plugins/docker-compose", plugin)
