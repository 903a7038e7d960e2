"""What computes features: a model exported for that alone, or one that a server has.

A head is trained on the features of one network and takes the place of that network's last layer.
So whatever serves them must be the profile's network at the profile's geometry; its labels do not
matter, and neither does its precision.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from i3d_client.access import Access
from i3d_client.contract import ModelContract, geometry_of
from i3d_client.durable import complete_file, write_errors
from i3d_client.triton import Connection
from i3d_export.precision import Precision
from i3d_export.stage_cache import StageResult
from i3d_fit.errors import FitError

_MODEL_FILE = "feature_model.json"
_REPOSITORY = "repository"


@dataclass(frozen=True, kw_only=True)
class FeatureServer:
    """Where features are to be had.

    Attributes:
        access: how to reach the server.
        model: its name there; None is the only one there is.
    """

    access: Access
    model: str | None


@dataclass(frozen=True, kw_only=True)
class EmbeddedSource:
    """A network exported for its features, served on this machine while it is needed.

    It is exported once and then kept, whatever videos come later: features of one network only are
    comparable, and an INT8 network depends on the videos that it was calibrated on.

    Attributes:
        profile: name or TOML file of the geometry.
        contract: the profile's.
        weights_sha256: of the profile's weights.
        precision: what the network is computed in.
        stride: frames from one window to the next.
        videos: that INT8 is calibrated on.
        cache: of the export's stages.
        on_stage: called after each stage of the export.
        on_doubt: called with what the user should know.
        say: called with what happens.
    """

    profile: str
    contract: ModelContract
    weights_sha256: str
    precision: Precision
    stride: int
    videos: tuple[Path, ...]
    cache: Path
    on_stage: Callable[[StageResult], None] = lambda _stage: None
    on_doubt: Callable[[str], None] = lambda _doubt: None
    say: Callable[[str], None] = lambda _text: None

    @property
    def key(self) -> str:
        """Name of the folder in which these features are kept."""
        known = {
            "geometry": geometry_of(self.contract),
            "label_frame": self.contract.label_frame,
            "weights": self.weights_sha256,
            "stride": self.stride,
            "precision": self.precision,
            "version": version("i3d-triton"),
        }
        contract = self.contract
        size = f"{contract.clip_frames}x{contract.height}x{contract.width}-{contract.colour}"
        return f"{size}-stride{self.stride}-{self.precision}-{_digest(known)}"

    @contextlib.contextmanager
    def serving(self, folder: Path) -> Iterator[FeatureServer]:
        """Export the network if that is still to do, and serve it.

        Args:
            folder: in which it is kept.

        Raises:
            I3dError: it cannot be exported or served.
        """
        from i3d_client.embedded import embedded_server

        model = _known_model(folder)
        if model is None:
            self.say(
                "preparing the network that sees the features: once on this machine, some minutes"
            )
            model = self._export(folder)
        with embedded_server(folder / _REPOSITORY, model) as address:
            yield FeatureServer(access=Access(server=address), model=model)

    def _export(self, folder: Path) -> str:
        from i3d_export.feature_model import export_feature_model

        (folder / _MODEL_FILE).unlink(missing_ok=True)
        model = export_feature_model(
            profile=self.profile,
            repository=folder / _REPOSITORY,
            precision=self.precision,
            stride=self.stride,
            videos=self.videos,
            cache=self.cache,
            on_stage=self.on_stage,
            on_doubt=self.on_doubt,
        )
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with complete_file(folder / _MODEL_FILE) as file:
            file.write(json.dumps({"model": model.name}) + "\n")
        return model.name


@dataclass(frozen=True, kw_only=True)
class ServedSource:
    """A model that a server has.

    Attributes:
        access: how to reach the server.
        model: its name there; None takes the only one there is.
        contract: the profile's, whose geometry the model's must be.
        on_doubt: called with what the user should know.
    """

    access: Access
    model: str | None
    contract: ModelContract
    on_doubt: Callable[[str], None] = lambda _doubt: None

    @property
    def key(self) -> str:
        """Name of the folder in which these features are kept."""
        # Not by the server's address: the same model may move, and another one of this name is
        # found out by its build.
        return f"served-{_digest({'model': self.model, 'geometry': geometry_of(self.contract)})}"

    @contextlib.contextmanager
    def serving(self, _folder: Path) -> Iterator[FeatureServer]:
        """See that the model sees what the profile says.

        Raises:
            FitError: its geometry is another one.
            I3dError: the server or the model cannot be used.
        """

        async def ask() -> tuple[str, ModelContract]:
            async with Connection(self.access) as connection:
                model, contract = await connection.choose_model(self.model)
                return model.name, contract

        name, contract = asyncio.run(ask())
        check_geometry(contract, wanted=self.contract, of=f"{name} at {self.access.server}")
        yield FeatureServer(access=self.access, model=name)


FeatureSource = EmbeddedSource | ServedSource


def check_geometry(contract: ModelContract, *, wanted: ModelContract, of: str) -> None:
    """See that a model's windows are those of the profile.

    Raises:
        FitError: a field differs.
    """
    found, expected = geometry_of(contract), geometry_of(wanted)
    for field in found:
        if found[field] != expected[field]:
            raise FitError(
                f"{of}: {field}: expected {expected[field]}, as profile {wanted.profile} has it, "
                f"got {found[field]}. Choose the model's own profile with --profile, or leave "
                "--server and --model out"
            )


def _known_model(folder: Path) -> str | None:
    try:
        model = str(json.loads((folder / _MODEL_FILE).read_text())["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if (folder / _REPOSITORY / model / "config.pbtxt").is_file() else None


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]
