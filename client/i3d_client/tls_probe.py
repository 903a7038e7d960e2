"""Why a server cannot be connected to: what gRPC's "failed to connect" leaves open.

A server that is away may come back; a certificate that is refused will be refused again, and so
will TLS where there is none. gRPC reports all of it as UNAVAILABLE, so after such a failure a
connection is tried with Python's own TLS, which says what went wrong. Nothing is sent through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Literal

from i3d_client.access import Access, host_and_port
from i3d_client.credentials import Credentials, client_context
from i3d_client.printable import printable

_WITHIN_S = 3.0
_AGAIN_AFTER_S = 0.3
# OpenSSL's verification results (openssl/x509_vfy.h).
_EXPIRED, _NOT_YET_VALID, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64
_ABOUT_CERTIFICATE = (
    "CERTIFICATE_REQUIRED",
    "UNKNOWN_CA",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "ACCESS_DENIED",
)
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


async def why_refused(access: Access) -> str | None:
    """Return why no connection to the server can succeed; None if one may, now or later."""
    for attempt in range(2):
        # A server that shakes hands and then closes has refused the certificate, or it is ending.
        if attempt:
            await asyncio.sleep(_AGAIN_AFTER_S)
        result = await _connect(access)
        if result != "closed":
            break
    if access.credentials is None:
        return None if result is None or result == "not TLS" else _needs_credentials(access)
    return None if result in (None, "open") else _refused(access, access.credentials, result)


_Result = Literal["open", "closed", "not TLS"] | ssl.SSLError | None


async def _connect(access: Access) -> _Result:
    """Shake hands; None if nothing is known of why that fails."""
    host, port = host_and_port(access.server)
    try:
        async with asyncio.timeout(_WITHIN_S):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=_context(access.credentials), server_hostname=host
            )
            try:
                # A server speaks first in HTTP/2; in TLS 1.3 it refuses a certificate only now.
                return "open" if await reader.read(1) else "closed"
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except ssl.SSLCertVerificationError as error:
        return error
    except ssl.SSLError as error:
        reason = error.reason or ""
        if any(reason.startswith(start) for start in _NOT_TLS):
            return "not TLS"
        return error if any(alert in reason for alert in _ABOUT_CERTIFICATE) else None
    except (OSError, TimeoutError):
        return None


def _context(credentials: Credentials | None) -> ssl.SSLContext:
    if credentials is not None:
        return client_context(credentials)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # to see that the server speaks TLS; nothing is sent
    context.set_alpn_protocols(["h2"])
    return context


def _needs_credentials(access: Access) -> str:
    return (
        f"{access.server} speaks TLS, and was asked without: name the folder that whoever runs it "
        "handed over, with --credentials FOLDER (or I3D_CREDENTIALS)"
    )


def _refused(access: Access, credentials: Credentials, result: _Result) -> str:
    folder = printable(credentials.folder)
    if result == "not TLS":
        return (
            f"{access.server} does not speak TLS, and was asked with the credentials in {folder}: "
            "name the gateway of the lab server with --server HOST:PORT, or leave the credentials "
            "out (--credentials, I3D_CREDENTIALS, and `credentials` in the configuration file)"
        )
    if isinstance(result, ssl.SSLCertVerificationError):
        return _server_refused(access, credentials.ca, result)
    said = result.reason if isinstance(result, ssl.SSLError) else "it closes the connection"
    return (
        f"{access.server} does not take the certificate in {folder} ({said}): it may be revoked, "
        "expired by the server's clock, or of another lab server. Ask whoever runs the server "
        "(`i3d labs list`)"
    )


def _server_refused(access: Access, ca: Path, error: ssl.SSLCertVerificationError) -> str:
    said = f"{access.server}: its certificate is not taken: {error.verify_message}"
    if error.verify_code in (_OTHER_HOST, _OTHER_ADDRESS):
        return (
            f"{said} Give the address that whoever runs the server told (in client.toml), or have "
            "this one added there: `i3d labs init --host …`"
        )
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return f"{said}. If this machine's clock is right: have it renewed there, `i3d labs init`"
    return (
        f"{said}. {printable(ca)} is of another server, or somebody is between this machine and "
        "the server. Ask whoever runs it for the fingerprint of its authority, and for new "
        "credentials if it is another one"
    )
