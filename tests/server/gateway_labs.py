"""Labs for tests of the gateway, and what their programs know of it."""

import os
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from i3d_server.gateway import find_nginx
from i3d_server.labs import add_lab, init_labs, renew_lab, revoke_lab

needs_nginx = pytest.mark.skipif(
    find_nginx() is None and os.environ.get("I3D_DEPLOY_REQUIRED") != "1",
    reason="nginx is not installed (apt-get install nginx-light)",
)
OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True)
class Credentials:
    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    def channel(self, address: str) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(
            self.ca.read_bytes(),
            self.key.read_bytes() if self.key else None,
            self.certificate.read_bytes() if self.certificate else None,
        )
        return grpc.aio.secure_channel(address, credentials, OPTIONS)


class Labs:
    """A labs' folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        init_labs(labs=folder)

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"

    def add(
        self, name: str, *, in_flight: int = 8, issued_at: datetime | None = None
    ) -> Credentials:
        days = 7
        added = add_lab(
            name=name, labs=self.folder, in_flight=in_flight, days=days, issued_at=issued_at
        )
        files = (added.folder / file for file in ("ca.crt", "client.crt", "client.key"))
        return Credentials(*files)

    def add_expired(self, name: str) -> Credentials:
        return self.add(name, issued_at=datetime.now(UTC) - timedelta(days=8))

    def renew(self, name: str) -> Credentials:
        """The lab's next credentials; keep copies of those before."""
        folder = renew_lab(name=name, labs=self.folder).folder
        return Credentials(*(folder / file for file in ("ca.crt", "client.crt", "client.key")))

    def copied(self, credentials: Credentials, to: Path) -> Credentials:
        """The same, in a folder that this server does not write."""
        assert credentials.certificate is not None
        shutil.copytree(credentials.certificate.parent, to)
        return Credentials(*(to / file for file in ("ca.crt", "client.crt", "client.key")))

    def revoke(self, name: str) -> None:
        revoke_lab(name=name, labs=self.folder)

    def without_certificate(self) -> Credentials:
        return Credentials(self.gateway / "ca.crt")

    def server_as_client(self) -> Credentials:
        return Credentials(*(self.gateway / f for f in ("ca.crt", "server.crt", "server.key")))

    def trusted_by(self, other: Credentials) -> Credentials:
        """The certificate of another lab server, in a client that trusts this one."""
        return replace(other, ca=self.gateway / "ca.crt")

    def remove_caps(self) -> None:
        (self.gateway / "caps_limits.conf").write_text("")
