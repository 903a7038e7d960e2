"""The model repository and the labs' folder, as the stack will find them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from i3d_server.doctor_check import Check
from i3d_server.doctor_settings import StackSettings
from i3d_server.repository_view import ENGINES

_GRAPH = Path("1/model.onnx")
_GROUP, _EVERYONE = stat.S_IRWXG, stat.S_IRWXO
# The gateway reads the key of its certificate through its group.
_SERVER_KEY = ("gateway", "server.key")
_RENEWED = {
    "authority/ca.crt": (
        timedelta(days=60),
        "begin anew in another folder (LABS_FOLDER), with new certificates for all labs",
    ),
    "gateway/server.crt": (timedelta(days=30), "i3d labs list renews it"),
}


def file_checks(settings: StackSettings) -> Iterator[Check]:
    """Check the Compose file, the models and the labs' keys."""
    if not settings.compose_file.is_file():
        yield Check(
            name="stack",
            status="problem",
            says=f"no {settings.compose_file.name} in {settings.folder.resolve()}",
            advice="run this in the checkout, or name it with --folder",
        )
    yield _repository(settings)
    yield _labs(settings.labs)


def _repository(settings: StackSettings) -> Check:
    name, repository = "models", settings.repository
    if settings.gpu:
        needed: tuple[Path, ...] = (ENGINES["tensorrt"].config, _GRAPH)  # plans are built at start
        command = "i3d export kinetics400 --engine tensorrt"
    else:
        needed = ENGINES["openvino"].required
        command = "i3d export kinetics400"
    command = f"make them: {command} (docker compose run --rm export … does it in a container)"
    if not repository.is_dir():
        says = f"no folder {repository}"
        return Check(name=name, status="problem", says=says, advice=command)
    known = {config.parent.name for config in repository.glob("*/config.pbtxt")}
    complete = {
        model for model in known if all((repository / model / path).is_file() for path in needed)
    }
    wanted = set(settings.models) or known
    if missing := sorted(set(settings.models) - complete):
        says = f"{', '.join(missing)} (MODELS) not complete in {repository}"
        return Check(name=name, status="problem", says=says, advice=command)
    if not complete:
        says = f"none of {len(known)} in {repository} is complete"
        return Check(name=name, status="problem", says=says, advice=command)
    return Check(name=name, status="ok", says=", ".join(sorted(complete & wanted)))


def _labs(folder: Path) -> Check:
    name = "labs"
    if not folder.exists():
        return Check(name=name, status="ok", says=f"{folder} is made by the first start")
    try:
        open_keys = [str(key) for key in _keys(folder) if key.stat().st_mode & _forbidden(key)]
        certificate_authority = (folder / "authority" / "ca.key").is_file()
        writable = bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError as error:
        says = f"{error.filename}: {error.strerror}"
        return Check(name=name, status="warning", says=says, advice="look again as its owner")
    if open_keys:
        return Check(
            name=name,
            status="problem",
            says=f"private keys that others can read: {', '.join(sorted(open_keys))}",
            advice="chmod 600 them; if someone may have read one, revoke its lab",
        )
    if writable:
        return Check(
            name=name,
            status="problem",
            says=f"everyone may write to {folder}",
            advice=f"chmod o-w {folder}",
        )
    if not certificate_authority:
        return Check(name=name, status="ok", says=f"{folder}: certificates come with the start")
    for file, (within, advice) in _RENEWED.items():
        if expires := _expires(folder / file, within=within):
            says = f"{folder / file} expires on {expires:%Y-%m-%d}"
            return Check(name=name, status="warning", says=says, advice=advice)
    number = sum(1 for _ in folder.glob("*/client.key"))
    return Check(name=name, status="ok", says=f"{number} in {folder}, keys for their owner alone")


def _expires(certificate: Path, *, within: timedelta) -> datetime | None:
    """Return when a certificate expires, if it is soon."""
    if find_spec("cryptography") is None:
        return None
    from cryptography import x509

    try:
        read = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):  # `i3d labs` says it
        return None
    soon = read.not_valid_after_utc < datetime.now(UTC) + within
    return read.not_valid_after_utc if soon else None


def _forbidden(key: Path) -> int:
    if key.parts[-2:] == _SERVER_KEY:
        return stat.S_IWGRP | _EVERYONE
    return _GROUP | _EVERYONE


def _keys(folder: Path) -> list[Path]:
    """Private keys, which all lie one folder deep."""
    return [key for part in folder.iterdir() if part.is_dir() for key in part.glob("*.key")]
