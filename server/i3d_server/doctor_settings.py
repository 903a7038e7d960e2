"""What ``i3d doctor`` has to know of the stack: where it is, and its settings.

Compose takes a setting from the environment, else from the file ``.env`` beside it, else the
default in the file; so does this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i3d_client.errors import InputError
from i3d_server.releases import DEFAULT_RELEASE, is_release

_LINE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$")
_QUOTED = re.compile(r"""^(["'])(.*?)\1(?:\s+#.*)?$""")
_COMMENT = re.compile(r"\s+#.*$")


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """The stack that is about to be started.

    Attributes:
        folder: the checkout, which holds the Compose files.
        gpu: ``docker-compose.yml``; without, ``docker-compose.cpu.yml``.
        release: of Triton, YY.MM.
        repository, labs: the folders that are mounted.
        models: names that are served; empty: all complete ones.
        gateway_address: where the gateway is published.
        gateway_port, prometheus_port, grafana_port: on it, and on 127.0.0.1.
        triton_memory: limit of Triton's container, as Compose takes it.
    """

    folder: Path
    gpu: bool
    release: str
    repository: Path
    labs: Path
    models: tuple[str, ...]
    gateway_address: str
    gateway_port: int
    prometheus_port: int
    grafana_port: int
    triton_memory: str

    @property
    def compose_file(self) -> Path:
        """The Compose file."""
        name = "docker-compose.yml" if self.gpu else "docker-compose.cpu.yml"
        return self.folder / name


def read_settings(
    *,
    folder: Path,
    gpu: bool,
    release: str | None,
    environment: Mapping[str, str] = os.environ,
) -> StackSettings:
    """Read the settings of the stack in ``folder``.

    Args:
        folder: holds the Compose files and ``.env``.
        gpu: which of the two stacks.
        release: overrides the setting.
        environment: overrides ``.env``.

    Raises:
        InputError: a release or a port that is none, or ``.env`` cannot be read.
    """
    given = {**read_env_file(folder / ".env"), **environment}

    def setting(name: str, default: str) -> str:
        return given.get(name) or default

    chosen = release or setting("TRITON_RELEASE", DEFAULT_RELEASE)
    if not is_release(chosen):
        raise InputError(f"TRITON_RELEASE: expected a release such as 26.08, got {chosen!r}")
    models = re.split(r"[,\s]+", setting("MODELS", ""))
    return StackSettings(
        folder=folder,
        gpu=gpu,
        release=chosen,
        repository=folder / setting("MODEL_REPOSITORY", "model_repository"),
        labs=folder / setting("LABS_FOLDER", "labs"),
        models=tuple(name for name in models if name),
        gateway_address=setting("GATEWAY_BIND", "127.0.0.1"),
        gateway_port=_port("GATEWAY_PORT", setting("GATEWAY_PORT", "8443")),
        prometheus_port=_port("PROMETHEUS_PORT", setting("PROMETHEUS_PORT", "9090")),
        grafana_port=_port("GRAFANA_PORT", setting("GRAFANA_PORT", "3000")),
        triton_memory=setting("TRITON_MEMORY", "16g"),
    )


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise InputError(f"{name}: expected a port, 1 … 65535, got {text!r}")
    return int(text)


def read_env_file(path: Path) -> dict[str, str]:
    """Return the settings of a ``.env`` file; none if there is no such file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    found = (_LINE.match(line) for line in lines)
    return {match[1]: _unquoted(match[2]) for match in found if match}


def _unquoted(value: str) -> str:
    if quoted := _QUOTED.match(value):
        return quoted[2]
    return _COMMENT.sub("", value)
