"""What a precision is really executed in: by the model's build document, on the server's processor.

A precision is one of the graph. TensorRT executes a graph as it is typed. OpenVINO executes an FP16
graph in FP16 or BF16 on a processor that has it, and on any other in FP32 with weights that are
kept in half the bytes; what it makes of an INT8 graph, the export has read back. So a table that
says FP16 must say what was executed, or a processor's time would be taken for a GPU's.

    python -m i3d_bench.bench.executed BENCH.json --repository model_repository

adds this to a ``bench.json`` of a release that did not have it, on the machine of the measurement.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_bench.bench.bench_file import read_bench_file, write_bench_file
from i3d_bench.bench.errors import BenchError
from i3d_bench.machine import machine_facts

CPU_ENGINE = "openvino"
EXECUTED = "executed"
_UNKNOWN = "not recorded"


@dataclass(frozen=True, kw_only=True)
class Processor:
    """The processor that the server computes on.

    Attributes:
        name: with what it can, as the export records it.
        capabilities: as OpenVINO names them.
    """

    name: str
    capabilities: tuple[str, ...]


def this_processor() -> Processor:
    """Return the processor of this machine."""
    import openvino

    from i3d_export.answers import processor

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return Processor(name=processor(), capabilities=tuple(capabilities))


def executed_entry(
    build: Mapping[str, Any], *, engine: str, processor: Processor | None
) -> dict[str, Any] | None:
    """Return what ``bench.json`` keeps of a model: ``server.executed.<precision>``.

    Args:
        build: the model's build document.
        engine: that executes it.
        processor: of the server; None where it is not this machine's, and only the processor of
            the export is known.

    Returns:
        ``engine``; ``precision`` of what is computed with floats; ``layers`` that do the work by
        what they are executed in, as read back at export, None if they were not; ``layers_on``,
        the processor of the export; ``processor``. None if the document does not say.
    """
    if engine != CPU_ENGINE:
        precision = build.get("precision")
        return None if precision is None else _entry(engine, str(precision))
    of_engine = build.get("engines", {}).get(engine, {})
    wanted = of_engine.get("execution_precision")
    at_export = of_engine.get("executed_at_export") or {}
    precision = _chosen(wanted, at_export, processor)
    if precision is None:
        return None
    return _entry(engine, precision) | {
        "layers": at_export.get("layers") or None,
        "layers_on": at_export.get("processor"),
        "processor": None if processor is None else processor.name,
    }


def _entry(engine: str, precision: str) -> dict[str, Any]:
    return {
        "engine": engine,
        "precision": precision,
        "layers": None,
        "layers_on": None,
        "processor": None,
    }


def _chosen(
    wanted: str | None, at_export: Mapping[str, Any], processor: Processor | None
) -> str | None:
    """Return what OpenVINO computes floats in; None if that is not known."""
    if wanted is None or "," not in wanted:
        return wanted
    if processor is None:
        return at_export.get("execution_precision")
    from i3d_export.answers import choose_precision

    return choose_precision(wanted, processor.capabilities)


def executed_text(precision: str, entry: Mapping[str, Any] | None) -> str:
    """Say in a few words what a model of this precision was executed in."""
    if entry is None:
        return _UNKNOWN
    if entry["engine"] != CPU_ENGINE:
        return f"{entry['precision']}, {entry['engine']}"
    layers = entry["layers"]
    if precision == "int8" and layers:
        most_first = sorted(layers.items(), key=lambda layer: -layer[1])
        counted = ", ".join(f"{name} in {count}" for name, count in most_first)
        return f"{counted} layers{_elsewhere(entry)}"
    if is_halved(precision, entry):
        return "f32, weights kept in f16" + ("" if entry["processor"] else " (at export)")
    return str(entry["precision"]) + ("" if entry["processor"] or not layers else " (at export)")


def is_halved(precision: str, entry: Mapping[str, Any] | None) -> bool:
    """Whether an FP16 graph is executed in FP32, for want of a processor that has FP16."""
    return (
        entry is not None
        and entry["engine"] == CPU_ENGINE
        and precision == "fp16"
        and entry["precision"] == "f32"
    )


def _elsewhere(entry: Mapping[str, Any]) -> str:
    if entry["processor"] is None:
        return " (at export)"
    return "" if entry["processor"] == entry["layers_on"] else " (at export, another processor)"


def add_executed(path: Path, *, repository: Path) -> None:
    """Add to a ``bench.json`` of an embedded server what its models are executed in.

    Args:
        path: the file, which is replaced.
        repository: that the server had.

    Raises:
        BenchError: this is not the machine of the measurement, or a build document is not there.
        ResultError: the file is none of the bench.
    """
    document, _ = read_bench_file(path)
    server, cpu, here = document["server"], document["machine"]["cpu"], machine_facts()["cpu"]
    if not server["embedded"] or cpu != here:
        raise BenchError(
            f"{path}: expected a bench of an embedded server on this machine's processor, {here}, "
            f"got {cpu}, embedded: {server['embedded']}. What another executes is not known here"
        )
    processor = this_processor()
    server[EXECUTED] = {
        precision: executed_entry(
            _build(repository / f"{document['model_base']}_{precision}" / "1" / "build.json"),
            engine=engine,
            processor=processor,
        )
        for precision, engine in server["engines"].items()
    }
    write_bench_file(path, document)


def _build(path: Path) -> dict[str, Any]:
    try:
        build: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: expected what i3d export writes: {error}") from error
    return build


def main() -> None:
    """Add to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    options = parser.parse_args()
    add_executed(options.bench, repository=options.repository)


if __name__ == "__main__":
    main()
