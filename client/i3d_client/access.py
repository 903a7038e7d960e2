"""How to reach a server: its address, and the lab's credentials where it asks for them.

Each of the two is taken from the first place that says it: what the caller names, the environment
(``I3D_SERVER``, ``I3D_CREDENTIALS``), the user's configuration file. A credentials' folder names
its server too: one that the caller names says so before the environment does, any other one last.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_client.credentials import Credentials, find_credentials
from i3d_client.errors import CredentialsError, I3dError
from i3d_client.printable import printable

DEFAULT_SERVER = "localhost:8001"
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[^\s:/\[\]\"\\]+):([0-9]{1,5})")
_CONFIG_KEYS = {"server", "credentials"}


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a server. Holds paths alone, no secrets.

    Attributes:
        server: ``HOST:PORT``.
        credentials: for a lab server's gateway, through TLS; None for a Triton without it.
    """

    server: str
    credentials: Credentials | None = None


def find_access(
    *, server: str | None = None, credentials: str | os.PathLike[str] | None = None
) -> Access:
    """Return how to reach the server that the caller, the environment or a file names.

    Args:
        server: ``HOST:PORT``; None looks on.
        credentials: folder; None looks on.

    Raises:
        CredentialsError: the configuration file or the credentials' folder cannot be used.
    """
    config = _read_config(_config_file())
    folder = credentials or os.environ.get("I3D_CREDENTIALS") or config.get("credentials")
    found = None if folder is None else find_credentials(Path(folder))
    of_folder = None if found is None else found.server
    return Access(
        server=server
        or (of_folder if credentials else None)
        or os.environ.get("I3D_SERVER")
        or config.get("server")
        or of_folder
        or DEFAULT_SERVER,
        credentials=found,
    )


def host_and_port(server: str) -> tuple[str, int]:
    """Return the parts of ``HOST:PORT``; an IPv6 address without its brackets.

    Raises:
        I3dError: it is none.
    """
    match = _ADDRESS.fullmatch(server)
    if match is None or not 0 < int(match[2]) < 65536:
        raise I3dError(f"server: expected HOST:PORT, such as localhost:8001, got {server!r}")
    return match[1].strip("[]"), int(match[2])


def _config_file() -> Path:
    """Return where the XDG Base Directory Specification puts a user's configuration."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if Path(home).is_absolute() else Path("~/.config").expanduser()
    return folder / "i3d" / "client.toml"


def _read_config(path: Path) -> dict[str, str]:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{printable(path)}: cannot be read: {error}") from error
    wrong = [key for key, value in document.items() if key not in _CONFIG_KEYS or not value]
    wrong += [key for key, value in document.items() if not isinstance(value, str)]
    if wrong:
        raise CredentialsError(
            f"{printable(path)}: expected server and credentials, both text, got {wrong[0]} = "
            f"{document[wrong[0]]!r}"
        )
    if "credentials" in document:
        document["credentials"] = str(path.parent / Path(document["credentials"]).expanduser())
    return document
