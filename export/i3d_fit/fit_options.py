"""How to fit: made once at the edge and passed down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from i3d_client.access import Access
from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation_boris import Chosen
from i3d_export.precision import Precision
from i3d_export.profiles import shipped_profiles
from i3d_export.quantisation import Engine
from i3d_fit.groups import GroupBy

DEFAULT_STRIDE = 8
DEFAULT_EPOCHS = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class FitFiles:
    """Where a fit writes.

    Attributes:
        name: of the profile, and of its models before their precision.
        profile: ``NAME.toml``.
        head: ``NAME.head.npz``, beside it.
        network: ``NAME.keras``, beside it, if blocks of the network are trained.
        temporal_head: ``NAME.temporal.npz``, beside it, if one is wanted.
        folder: ``NAME/``, beside it, of all that explains them.
    """

    name: str
    profile: Path
    head: Path
    temporal_head: Path
    network: Path
    folder: Path


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How to fit.

    Attributes:
        files: where to write.
        videos: files, folders and lists of paths, as ``i3d classify`` takes them.
        annotations: files of any kind that ``i3d compare`` reads.
        profile: name or TOML file of the geometry.
        labels: the classes, in order; None takes all behaviours that are annotated.
        names: the class for a behaviour of another name; an empty one leaves it out.
        background: class of what is annotated as none of the others; None for no such class.
        metadata: table of the animals.
        group_by: what is never divided between training and test; None: animals if they are known.
        chosen: observation and subject of files of BORIS.
        stride: of the features, frames.
        features_precision: what the features are computed in.
        precisions: of the models to export.
        engines: that execute them.
        served_stride: of the models to export; None takes the profile's.
        repository: Triton's, for the models.
        access: a server whose model computes the features; None starts one on this machine.
        model: that model's name; None is the only one there is.
        context: frames that a temporal head sees around a window; None for no such head.
        fine_tune: how many blocks of the network are trained too, from the end; None for the last
            layer alone.
        epochs: of that.
        export: whether models are exported.
        force: place a precision that the gate refuses.
        workers: processes that decode.
        anew: compute features again that are there.
        overwrite: replace a profile that no fit wrote.
        cache: of features and stages; None takes the user's.
    """

    files: FitFiles
    videos: tuple[Path, ...]
    annotations: tuple[Path, ...]
    profile: str = "homecage9"
    labels: tuple[str, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    background: str | None = None
    metadata: Path | None = None
    group_by: GroupBy | None = None
    chosen: Chosen = field(default_factory=Chosen)
    stride: int = DEFAULT_STRIDE
    features_precision: Precision = "int8"
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    engines: tuple[Engine, ...] = ("openvino",)
    served_stride: int | None = None
    repository: Path = Path("model_repository")
    access: Access | None = None
    model: str | None = None
    context: int | None = None
    fine_tune: int | None = None
    epochs: int = DEFAULT_EPOCHS
    export: bool = True
    force: bool = False
    workers: int = 1
    anew: bool = False
    overwrite: bool = False
    cache: Path | None = None


def fit_files(out: Path) -> FitFiles:
    """Return where a fit writes that is called ``NAME`` or ``NAME.toml``.

    Raises:
        InputError: it would be no name of a model, or is that of a shipped profile.
    """
    name = out.name.removesuffix(".toml")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--out {printable(out)}: expected a name of letters, digits, '_', '-' and '.', "
            f"starting with a letter or digit, got {printable(name)!r}: models are named after it"
        )
    if name in shipped_profiles():
        raise InputError(
            f"--out {printable(out)}: expected a name of your own, got that of a profile that "
            "comes with the project: its models would be written over. Choose another"
        )
    return FitFiles(
        name=name,
        profile=out.with_name(f"{name}.toml"),
        head=out.with_name(f"{name}.head.npz"),
        temporal_head=out.with_name(f"{name}.temporal.npz"),
        network=out.with_name(f"{name}.keras"),
        folder=out.with_name(name),
    )


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels of a text file, one a line; empty lines are passed over.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"--labels: {printable(path)} cannot be read: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())
