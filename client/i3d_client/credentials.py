"""A lab's credentials: the folder that whoever runs a lab server hands over.

    ca.crt client.crt client.key client.toml

They are checked before anything is sent, so that a file that is missing, open to others, expired or
another folder's is an error of its own and not a connection that fails. The certificate is checked
as the gateway will: by a TLS handshake, in memory. Only paths travel between processes.
"""

from __future__ import annotations

import os
import shlex
import ssl
import stat
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from i3d_client.errors import CredentialsError
from i3d_client.printable import printable

SETTINGS_FILE = "client.toml"
_FILES = {"ca": "ca.crt", "certificate": "client.crt", "key": "client.key"}
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME (openssl/x509_vfy.h)
_ASK_FOR_ANOTHER = "Ask whoever runs the server for another folder (`i3d labs add`)"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Where a lab's credentials are.

    Attributes:
        folder: that was named.
        ca: certificate of the authority that the server's must be of; PEM.
        certificate, key: with which the lab proves who it is; PEM.
        server: ``HOST:PORT`` that the folder names; None if it names none.
    """

    folder: Path
    ca: Path
    certificate: Path
    key: Path
    server: str | None = None


def find_credentials(folder: Path) -> Credentials:
    """Return the credentials in a folder; its ``client.toml`` may give files other names.

    Raises:
        CredentialsError: there is no such folder, or its ``client.toml`` cannot be used.
    """
    if not folder.is_dir():
        raise CredentialsError(
            f"{printable(folder)}: expected the folder that whoever runs the server handed over "
            f"({', '.join(_FILES.values())}, {SETTINGS_FILE}), found "
            f"{'a file' if folder.exists() else 'nothing'}"
        )
    folder = folder.absolute()
    settings = _read_settings(folder / SETTINGS_FILE)
    files = {key: folder / settings.get(key, name) for key, name in _FILES.items()}
    return Credentials(folder=folder, **files, server=settings.get("server"))


@dataclass(frozen=True, kw_only=True)
class Pem:
    """The content of the files, for one connection. The key is not shown."""

    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)


def read_credentials(credentials: Credentials) -> Pem:
    """Check the files, and return what is in them.

    Raises:
        CredentialsError: they cannot be used; the message says which, and what to do.
    """
    check_credentials(credentials)
    return Pem(
        ca=_read(credentials.ca),
        certificate=_read(credentials.certificate),
        key=_read_key(credentials.key),
    )


def check_credentials(credentials: Credentials) -> None:
    """See that the files belong together, are valid now, and that the key is nobody else's.

    Raises:
        CredentialsError: they are not.
    """
    _read_key(credentials.key)
    client, server = client_context(credentials), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    _load(server, credentials)
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= _NO_CHECK_TIME
    try:
        seen = _certificate_seen(client, server)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", error.reason)
        raise CredentialsError(
            f"{printable(credentials.certificate)}: is not a client's certificate by the authority "
            f"in {printable(credentials.ca)}: {reason}. The files must be of one folder. "
            f"{_ASK_FOR_ANOTHER}"
        ) from error
    begins, ends = str(seen["notBefore"]), str(seen["notAfter"])
    if not ssl.cert_time_to_seconds(begins) <= time.time() <= ssl.cert_time_to_seconds(ends):
        raise CredentialsError(
            f"{printable(credentials.certificate)}: is valid from {begins} to {ends}, and by this "
            f"machine's clock it is {time.strftime('%b %d %H:%M:%S %Y GMT', time.gmtime())}. "
            f"If that is right: {_ASK_FOR_ANOTHER[0].lower()}{_ASK_FOR_ANOTHER[1:]}"
        )


def client_context(credentials: Credentials) -> ssl.SSLContext:
    """Return what Python's own TLS connects with.

    Raises:
        CredentialsError: the files cannot be read, or key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    _load(context, credentials)
    return context


def _load(context: ssl.SSLContext, credentials: Credentials) -> None:
    for path in (credentials.ca, credentials.certificate):
        _read(path)  # for the message: ssl's own do not name the file
    try:
        context.load_verify_locations(credentials.ca)
    except ssl.SSLError as error:
        raise CredentialsError(
            f"{printable(credentials.ca)}: is not a certificate in PEM ({error.reason}). "
            f"{_ASK_FOR_ANOTHER}"
        ) from error
    try:
        context.load_cert_chain(credentials.certificate, credentials.key, _no_passphrase)
    except ssl.SSLError as error:
        what = (
            f"is not the key of {printable(credentials.certificate)}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"or {printable(credentials.certificate)}: is damaged ({error.reason})"
        )
        raise CredentialsError(
            f"{printable(credentials.key)}: {what}. {_ASK_FOR_ANOTHER}"
        ) from error


def _no_passphrase() -> NoReturn:
    raise CredentialsError(
        "the credentials' key is locked by a passphrase, which nobody can enter while a run goes "
        "on: unlock it (openssl pkey -in client.key -out unlocked.key)"
    )


def _certificate_seen(client: ssl.SSLContext, server: ssl.SSLContext) -> dict[str, Any]:
    """Shake hands in memory; return the client's certificate as the server has verified it."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    while waiting:
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    return ends[1].getpeercert() or {}


def _read_key(path: Path) -> bytes:
    """Read a private key, unless others can."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise CredentialsError(
                    f"{printable(path)}: expected a private key that only its owner can read, got "
                    f"permissions {mode:04o}: chmod 600 {shlex.quote(printable(path))}"
                )
            return file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> CredentialsError:
    return CredentialsError(
        f"{printable(path)}: cannot be read: {error.strerror}. The credentials' folder must have "
        f"{', '.join(_FILES.values())}, as it was handed over"
    )


def _read_settings(path: Path) -> dict[str, str]:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{printable(path)}: cannot be read: {error}") from error
    for key, value in document.items():
        if key not in {"server", *_FILES} or not isinstance(value, str) or not value:
            raise CredentialsError(
                f"{printable(path)}: expected server, {', '.join(_FILES)}, each a text, got "
                f"{key} = {value!r}"
            )
    return document
