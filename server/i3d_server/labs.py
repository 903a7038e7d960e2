"""Labs of a lab server: who may send requests to the gateway, and how many at a time.

    LABS/authority/   ca.key ca.crt labs.json     what signs; never where a lab can reach it
    LABS/gateway/     ca.crt server.crt server.key revoked.pem caps.conf caps_limits.conf
    LABS/<NAME>/      ca.crt client.crt client.key client.toml     to hand over to the lab

A certificate is recorded in ``labs.json`` before anything else knows of it, and the gateway's files
follow from that file. So whatever a crash leaves, the next command completes, and no certificate is
at large that is not listed.

Every command renews what would expire: an expired revocation list refuses all labs. Files that
would say the same are left alone, since the gateway reads its configuration again when one changes.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from i3d_client.access import host_and_port
from i3d_client.printable import printable
from i3d_server import certificate_authority
from i3d_server.certificate_authority import Authority, certificate_pem, key_pem
from i3d_server.labs_files import (
    PRIVATE,
    PUBLIC,
    LabsError,
    is_there,
    locked,
    make_folder,
    read_file,
    write_file,
)
from i3d_server.labs_register import (
    Lab,
    Register,
    caps_limits_text,
    caps_text,
    check_in_flight,
    check_name,
)

DEFAULT_FOLDER = Path("labs")
DEFAULT_IN_FLIGHT = 8
DEFAULT_DAYS = 730
DEFAULT_PORT = 8443
_ALWAYS = ("localhost", "127.0.0.1", "::1", "gateway")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_RENEWED_BEFORE = timedelta(days=30)
_LIST_RENEWED_AFTER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class LabServer:
    """What labs need to know of a lab server.

    Attributes:
        labs: folder.
        fingerprint: SHA-256 of the authority's certificate, ``AB:CD:…``.
        hosts: names and addresses that the gateway's certificate is for; labs are told the first.
        expires: when the gateway's certificate does; any command renews it in its last 30 days.
    """

    labs: Path
    fingerprint: str
    hosts: tuple[str, ...]
    expires: datetime

    @property
    def server(self) -> str:
        """``HOST:PORT`` that labs are told if nothing else is said."""
        host = self.hosts[0]
        return f"[{host}]:{DEFAULT_PORT}" if ":" in host else f"{host}:{DEFAULT_PORT}"


@dataclass(frozen=True, kw_only=True)
class AddedLab:
    """A new lab, the folder to hand over, and the server that is named in it."""

    lab: Lab
    folder: Path
    server: str


def init_labs(
    *, labs: Path = DEFAULT_FOLDER, hosts: Sequence[str] = (), days: float = DEFAULT_DAYS
) -> LabServer:
    """Make the authority and the gateway's files; what is there and right stays.

    Args:
        labs: folder, made if it is not there.
        hosts: names and addresses by which labs reach the gateway, beside localhost; none given
            keeps those of the certificate there is. Others than before renew the certificate.
        days: how long a new certificate of the gateway lasts.

    Raises:
        LabsError: the folder cannot be used, or is damaged.
    """
    wanted = _checked_hosts(hosts) if hosts else None
    make_folder(labs, mode=0o755)
    make_folder(labs / "authority", mode=0o700)
    make_folder(labs / "gateway", mode=0o755)
    with locked(labs / "authority"):
        if not is_there(labs / "authority" / "labs.json"):
            _begin(labs)
        authority, register = _read(labs)
        return _write_gateway(labs, authority, register, hosts=wanted, days=days)


def add_lab(
    *,
    name: str,
    labs: Path = DEFAULT_FOLDER,
    in_flight: int = DEFAULT_IN_FLIGHT,
    server: str | None = None,
    days: float = DEFAULT_DAYS,
    issued_at: datetime | None = None,
) -> AddedLab:
    """Issue a lab's certificate and write the folder to hand over.

    A name that was revoked, or has expired, may be given again: with a new certificate.

    Args:
        name: 2 to 40 of a–z, 0–9 and -.
        labs: folder, as ``init_labs`` made it.
        in_flight: requests that the lab may have at the gateway at a time.
        server: ``HOST:PORT`` for the lab's ``client.toml``; None takes the first host of the
            gateway's certificate, and port 8443.
        days: how long the certificate lasts.
        issued_at: when it counts as issued; None is now.

    Raises:
        LabsError: the name cannot be used or is in use, or the folder cannot be.
    """
    check_name(name)
    check_in_flight(in_flight)
    if server is not None:
        host_and_port(server)
    with _opened(labs) as (authority, register):
        before = register.labs.get(name)
        if before is not None and before.state == "live":
            raise LabsError(
                f"lab {name} has a certificate until {before.expires:%Y-%m-%d}, in "
                f"{printable(labs / name)}. For a new one beside it: i3d labs renew {name}. For "
                f"another --in-flight, revoke that first: i3d labs revoke {name}"
            )
        lab = Lab(
            name=name,
            serial=0,
            in_flight=in_flight,
            created=issued_at or _now(),
            expires=issued_at or _now(),
        )
        return _hand_out(labs, authority, register, lab, server=server, days=days)


def renew_lab(
    *,
    name: str,
    labs: Path = DEFAULT_FOLDER,
    server: str | None = None,
    days: float = DEFAULT_DAYS,
) -> AddedLab:
    """Issue a live lab's next certificate, in its folder; the one that it has stays valid.

    Both count against one cap, and ``revoke_lab`` ends both.

    Args:
        name: of the lab.
        labs: folder, as ``init_labs`` made it.
        server: as for ``add_lab``.
        days: how long the new certificate lasts.

    Raises:
        LabsError: there is no such lab, its certificate is not valid, or the folder cannot be used.
    """
    if server is not None:
        host_and_port(server)
    with _opened(labs) as (authority, register):
        before = _listed(register, name)
        if before.state != "live":
            raise LabsError(f"lab {name} is {before.state}: i3d labs add {name}")
        now = _now()
        valid = {**before.earlier, before.serial: before.expires}
        lab = replace(
            before,
            created=now,
            earlier={serial: end for serial, end in valid.items() if end > now},
        )
        return _hand_out(labs, authority, register, lab, server=server, days=days)


def list_labs(*, labs: Path = DEFAULT_FOLDER) -> list[Lab]:
    """Return all labs, also revoked and expired ones, by name.

    Raises:
        LabsError: the folder cannot be used.
    """
    with _opened(labs) as (authority, register):
        _write_gateway(labs, authority, register)
    return sorted(register.labs.values(), key=lambda lab: lab.name)


def revoke_lab(*, name: str, labs: Path = DEFAULT_FOLDER) -> Lab:
    """Have the gateway refuse a lab's certificate; return the lab. Once more changes nothing.

    Raises:
        LabsError: there is no such lab, or the folder cannot be used.
    """
    with _opened(labs) as (authority, register):
        if _listed(register, name).revoked is None:
            register = register.with_revoked(name, _now())
            _write_register(labs, register)
        _write_gateway(labs, authority, register)
    return register.labs[name]


def fingerprint(*, labs: Path = DEFAULT_FOLDER) -> str:
    """Return the SHA-256 of the authority's certificate, as ``AB:CD:…``.

    Raises:
        LabsError: there is none.
    """
    with _opened(labs) as (authority, _):
        return authority.fingerprint


def _listed(register: Register, name: str) -> Lab:
    if name not in register.labs:
        listed = ", ".join(sorted(register.labs)) or "none"
        raise LabsError(f"no lab is called {name!r}; there are: {listed}")
    return register.labs[name]


def _hand_out(
    labs: Path,
    authority: Authority,
    register: Register,
    lab: Lab,
    *,
    server: str | None,
    days: float,
) -> AddedLab:
    """Issue a certificate from ``lab.created`` on, record it, and write the lab's folder."""
    issued = certificate_authority.issue_client(
        authority, name=lab.name, now=lab.created, days=days
    )
    lab = replace(
        lab,
        serial=issued.certificate.serial_number,
        expires=issued.certificate.not_valid_after_utc,
    )
    register = register.with_lab(lab)
    _write_register(labs, register)
    lab_server = _write_gateway(labs, authority, register)
    server = server or lab_server.server
    folder = labs / lab.name
    make_folder(folder, mode=0o700)
    write_file(folder / "client.key", key_pem(issued.key), mode=PRIVATE)
    write_file(folder / "client.crt", certificate_pem(issued.certificate), mode=PUBLIC)
    write_file(folder / "ca.crt", certificate_pem(authority.certificate), mode=PUBLIC)
    write_file(folder / "client.toml", f'server = "{server}"\n'.encode(), mode=PUBLIC)
    return AddedLab(lab=lab, folder=folder, server=server)


def _begin(labs: Path) -> None:
    """Make an authority, with no labs. ``labs.json`` comes last, so this was never done before."""
    if is_there(labs / "gateway" / "revoked.pem"):
        raise LabsError(
            f"{printable(labs / 'authority')}: labs.json is missing, but labs have been managed "
            "here: restore authority/ from a backup, or begin anew in another folder (--labs)"
        )
    authority = certificate_authority.new_authority(now=_now())
    write_file(labs / "authority" / "ca.key", key_pem(authority.key), mode=PRIVATE)
    certificate = certificate_pem(authority.certificate)
    write_file(labs / "authority" / "ca.crt", certificate, mode=PUBLIC)
    _write_register(labs, Register())


@contextlib.contextmanager
def _opened(labs: Path) -> Iterator[tuple[Authority, Register]]:
    """Hold the folder and read it."""
    if not is_there(labs / "authority" / "labs.json"):
        raise LabsError(
            f"{printable(labs)} is not a labs' folder: make one with `i3d labs init`, or name "
            "yours with --labs"
        )
    with locked(labs / "authority"):
        yield _read(labs)


def _read(labs: Path) -> tuple[Authority, Register]:
    folder = labs / "authority"
    authority = certificate_authority.read_authority(
        read_file(folder / "ca.key"), read_file(folder / "ca.crt")
    )
    return authority, Register.from_json(read_file(folder / "labs.json"))


def _write_register(labs: Path, register: Register) -> None:
    write_file(labs / "authority" / "labs.json", register.to_json().encode(), mode=PRIVATE)


def _write_gateway(
    labs: Path,
    authority: Authority,
    register: Register,
    *,
    hosts: tuple[str, ...] | None = None,
    days: float = DEFAULT_DAYS,
) -> LabServer:
    """Bring the gateway's folder up to what ``labs.json`` says."""
    folder = labs / "gateway"
    make_folder(folder, mode=0o755)
    taken = [lab for lab in register.labs.values() if lab.revoked is None]
    _update(folder / "ca.crt", certificate_pem(authority.certificate))
    now = _now()
    if not _list_is_current(folder / "revoked.pem", authority, register, now=now):
        revoked = certificate_authority.revocation_list(
            authority, register.revoked.items(), now=now
        )
        write_file(folder / "revoked.pem", revoked, mode=PUBLIC)
    # After the list: a lab that is revoked never goes without a cap.
    _update(folder / "caps.conf", caps_text(taken).encode())
    _update(folder / "caps_limits.conf", caps_limits_text(taken).encode())
    certificate = _server_certificate(folder, authority)
    if (
        certificate is None
        or certificate.not_valid_after_utc < now + _RENEWED_BEFORE
        or (hosts is not None and tuple(certificate_authority.hosts_of(certificate)) != hosts)
    ):
        if hosts is None:
            known = None if certificate is None else certificate_authority.hosts_of(certificate)
            hosts = tuple(known or _default_hosts())
        issued = certificate_authority.issue_server(authority, hosts=hosts, now=now, days=days)
        certificate = issued.certificate
        # The gateway reads it through its group, which ``i3d_server.prepare`` gives it.
        write_file(folder / "server.key", key_pem(issued.key), mode=PRIVATE, as_before=True)
        write_file(folder / "server.crt", certificate_pem(certificate), mode=PUBLIC)
    return LabServer(
        labs=labs,
        fingerprint=authority.fingerprint,
        hosts=tuple(certificate_authority.hosts_of(certificate)),
        expires=certificate.not_valid_after_utc,
    )


def _update(path: Path, content: bytes) -> None:
    if not is_there(path) or read_file(path) != content:
        write_file(path, content, mode=PUBLIC)


def _list_is_current(
    path: Path, authority: Authority, register: Register, *, now: datetime
) -> bool:
    try:
        serials, made, by = certificate_authority.read_revocation_list(path.read_bytes())
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        serials == register.revoked.keys()
        and by == certificate_authority.key_identifier(authority)
        and now - made < _LIST_RENEWED_AFTER
    )


def _server_certificate(folder: Path, authority: Authority) -> x509.Certificate | None:
    """Return the gateway's certificate; None if it is missing, damaged or not this authority's."""
    try:
        content = (folder / "server.crt").read_bytes()
        key = (folder / "server.key").read_bytes()
        return certificate_authority.read_issued(authority, key=key, certificate=content)
    except (OSError, ValueError):
        return None


def _now() -> datetime:
    """Return the time in whole seconds, as certificates and ``labs.json`` have it."""
    return datetime.now(UTC).replace(microsecond=0)


def _checked_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    for host in hosts:
        if not certificate_authority.is_address(host) and _HOST.fullmatch(host) is None:
            raise LabsError(
                f"--host: expected a host name or an address, such as gpu.example.org, got {host!r}"
            )
    plain = [certificate_authority.plain_host(host) for host in hosts]
    return tuple(dict.fromkeys([*plain, *_ALWAYS]))


def _default_hosts() -> tuple[str, ...]:
    name = socket.gethostname().lower()
    return tuple(dict.fromkeys([*_ALWAYS, *([name] if _HOST.fullmatch(name) else [])]))
