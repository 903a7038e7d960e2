"""What capacity planning takes out of a bench.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_bench.bench.bench_file import read_bench_file
from i3d_client.contract import CONTRACT_VERSION, ModelContract
from i3d_client.errors import ContractError, ResultError

_CPU_ENGINE = "openvino"
_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A pipeline that was timed on one video; seconds are of all its repeats.

    Attributes:
        start_s: of ``median_s``, before the first frame is read.
    """

    pipeline: str
    precision: str
    cores: int
    video: str
    num_frames: int
    median_s: float
    q1_s: float
    q3_s: float
    start_s: float
    repeats: int
    device_busy: float | None


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A stage that was timed alone."""

    bound: str
    precision: str | None
    cores: int
    video: str | None
    num_frames: int
    median_s: float

    @property
    def frame_s(self) -> float:
        """Seconds a frame."""
        return self.median_s / self.num_frames


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A bench.json.

    Attributes:
        fps: of the videos, frames over seconds.
        max_batch: requests that the server takes at a time, by precision.
        shared_cores: of the machine, where it is client and device in one; else None.
        price: as in the file, with ``per_device_hour`` and ``currency``; None if it has none.
        notes: what a reader must know before any figure.
    """

    name: str
    simulated: bool
    contract: ModelContract
    fps: float
    max_batch: dict[str, int]
    shared_cores: int | None
    runs: tuple[Run, ...]
    bounds: tuple[Bound, ...]
    price: dict[str, Any] | None
    notes: tuple[str, ...]


def read_bench(path: Path) -> Bench:
    """Read a bench.json.

    Raises:
        ResultError: it cannot be read, is of another version or lacks what is needed.
    """
    document, _ = read_bench_file(path)
    try:
        return _bench(document, name=path.name)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, ContractError) as error:
        raise ResultError(
            f"{path}: not a whole bench.json: {type(error).__name__}: {error}"
        ) from error


def _bench(document: Mapping[str, Any], *, name: str) -> Bench:
    videos = document["videos"]
    return Bench(
        name=name,
        simulated=bool(document["simulated"]),
        contract=_contract(document["contract"]),
        fps=sum(v["num_frames"] for v in videos) / sum(v["seconds"] for v in videos),
        max_batch={
            str(precision): int(size)
            for precision, size in document["server"]["max_batch_size"].items()
        },
        shared_cores=_shared_cores(document),
        runs=tuple(_run(run) for run in document["runs"]),
        bounds=tuple(_bound(bound) for bound in document["bounds"]),
        price=document["price"],
        notes=_notes(document),
    )


def _contract(document: Mapping[str, Any]) -> ModelContract:
    return ModelContract.from_json(json.dumps({"contract_version": CONTRACT_VERSION, **document}))


def _shared_cores(document: Mapping[str, Any]) -> int | None:
    """Return the cores that client and server share, where the server computes on them."""
    server = document["server"]
    local = server["embedded"] or str(server["address"]).startswith(_LOOPBACK)
    if not local or _CPU_ENGINE not in server["engines"].values():
        return None
    return int(document["machine"]["cores_usable"])


def _run(entry: Mapping[str, Any]) -> Run:
    busy = entry["device_busy"]
    return Run(
        pipeline=str(entry["pipeline"]),
        precision=str(entry["precision"]),
        cores=int(entry["cores"]),
        video=str(entry["video"]),
        num_frames=int(entry["num_frames"]),
        median_s=float(entry["median_s"]),
        q1_s=float(entry["q1_s"]),
        q3_s=float(entry["q3_s"]),
        start_s=float(entry.get("start_s") or 0.0),
        repeats=len(entry["seconds"]),
        device_busy=None if busy is None else float(busy),
    )


def _bound(entry: Mapping[str, Any]) -> Bound:
    return Bound(
        bound=str(entry["bound"]),
        precision=entry["precision"],
        cores=int(entry["cores"]),
        video=entry.get("video"),
        num_frames=int(entry["num_frames"]),
        median_s=float(entry["median_s"]),
    )


def _notes(document: Mapping[str, Any]) -> tuple[str, ...]:
    machine, server = document["machine"], document["server"]
    notes = []
    if document["simulated"]:
        notes.append("The accelerator is SIMULATED: it sleeps, and no figure here is one of a GPU.")
    if not document.get("complete", True):
        notes.append(f"The bench was stopped before its end: {document.get('stopped_by')}")
    if machine.get("busy_warning"):
        notes.append(f"Measured on a busy machine: {machine['busy_warning']}")
    notes += [f"The bench could not see: {what}" for what in server["could_not_see"]]
    return tuple(notes)
