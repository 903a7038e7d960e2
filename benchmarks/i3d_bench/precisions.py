"""Every precision of a model behind the real Triton: window rate, agreement, size, load time.

python -m i3d_bench.precisions --out benchmarks/results/precisions.json --table docs/precisions.md
python -m i3d_bench.precisions --record model_repository --table docs/precisions.md

The first exports the models as a user exports them, by the default clips, and times them served
by the real Triton on this machine's CPU. Precisions take turns, round by round, so that whatever
else the machine does falls on all of them; a window's time is the median of its rounds. The
second keeps what ``i3d export`` and ``i3d verify`` wrote beside the models,
``1/verification.<engine>.json``, in ``agreement.json``. The page is made from the JSON files of
``benchmarks/results`` alone; without ``--out`` and ``--record`` it is only made again.
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput

from i3d_bench.clips import clip
from i3d_bench.machine import machine_facts
from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES, ModelContract
from i3d_client.options import usable_cores
from i3d_client.streaming import segments_of
from i3d_client.video import DecodeCounts, open_video
from i3d_export.export import ExportedModel, export_models
from i3d_export.precision import PRECISIONS
from i3d_server.launcher import serving

_FILES = ("model.xml", "model.bin")
_LOAD_ROUNDS = 3
_COLUMNS = (
    "precision",
    "engine",
    "executed",
    "windows/s",
    "× FP32",
    "agreement, decided",
    "agreement, all",
    "KL, mean",
    "gate",
    "size, MB",
    "server ready, s",
)


def measure(
    *, profile: str, random_head: bool, rounds: int, calibrate: Sequence[Path] = ()
) -> dict[str, Any]:
    """Export, serve and time every precision of a profile.

    Args:
        profile: a shipped one.
        random_head: for a profile without public weights; agreement then means little.
        rounds: how often each precision answers.
        calibrate: videos for calibration and agreement; empty takes the default clips.
    """
    with tempfile.TemporaryDirectory(prefix="i3d-precisions-") as folder:
        models = export_models(
            profile=profile,
            repository=Path(folder),
            precisions=PRECISIONS,
            random_head=random_head,
            calibrate=calibrate,
        )
        segment = _real_segment(models[0].contract)
        times = _serve_and_time(Path(folder), models, segment, rounds)
        rows = [_row(model, times[model.name]) for model in models]
    fp32 = next(row for row in rows if row["precision"] == "fp32")
    for row in rows:
        row["times_fp32"] = round(row["windows_per_s"] / fp32["windows_per_s"], 2)
    return {"profile": profile, "random_head": random_head, "rounds": rounds, "models": rows}


def record_verifications(repository: Path, kept: Path) -> None:
    """Add a repository's comparisons with FP32 to ``kept``.

    A comparison takes the place of an earlier one of the same model and engine on the same videos.
    """
    found = json.loads(kept.read_text())["comparisons"] if kept.is_file() else []
    by_subject = {_subject(one): one for one in found}
    for path in sorted(repository.glob("*/1/verification.*.json")):
        one = json.loads(path.read_text())
        if "figures" in one:  # FP32's own record has none: it is the reference
            by_subject[_subject(one)] = {**one, "machine": _machine()}
    document = {
        "what": "every precision beside FP32, as i3d export and i3d verify recorded it",
        "comparisons": [by_subject[subject] for subject in sorted(by_subject)],
    }
    kept.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def page_of(results: Path) -> str:
    """Return the Markdown page that the JSON files of a folder make."""
    lines = [
        "# Precisions, measured",
        "",
        "Made by `python -m i3d_bench.precisions` from `benchmarks/results/precisions*.json` and "
        "`agreement.json`; changes here are lost. No figure here is one of a GPU: TensorRT has "
        "run none of the graphs.",
        "",
        "Agreement: the first class is FP32's (ONNX Runtime), on windows whose frames calibration "
        "did not use; *decided* are those where FP32's first class has more than 0.5.",
        "",
        "## Speed",
        "",
        "Through the real Triton, real video. *Server ready* is the time from nothing to a server "
        "that answers with this model alone, its compiled network in the cache.",
    ]
    for path in sorted(results.glob("precisions*.json")):
        lines += ["", *_machine_section(json.loads(path.read_text()))]
    comparisons = json.loads((results / "agreement.json").read_text())["comparisons"]
    lines += ["", "## Agreement", "", *_agreement_intro()]
    for videos in sorted({_videos(one) for one in comparisons}):
        lines += ["", *_agreement_section(videos, comparisons)]
    return "\n".join(lines) + "\n"


def has_vnni() -> bool:
    """Return whether the processor adds up products of bytes in 32 bits."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags)


def _machine() -> dict[str, Any]:
    return {**machine_facts(), "vnni": has_vnni()}


def _machine_section(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    lines = [
        f"### {machine['cpu']}, {machine['cores_usable']} cores, {_vnni(machine)}",
        "",
        f"No GPU, OpenVINO {machine['packages']['openvino']}, {machine['measured_at'][:10]}; load "
        f"average before: {machine['load_average_before']:.2f}; requests at a time: "
        f"{results['requests_at_a_time']}. {results.get('note', '')}".strip(),
    ]
    for profile in results["profiles"]:
        lines += ["", *_profile_table(profile)]
    return lines


def _agreement_intro() -> list[str]:
    return [
        "As `i3d export` and `i3d verify --videos` recorded it. `tensorrt` is the graph that "
        "TensorRT is given, computed by ONNX Runtime as it is written. A cell of a class: windows "
        "that agree / all where FP32 puts it first (the same of those decided).",
    ]


def _agreement_section(videos: tuple[str, ...], comparisons: list[dict[str, Any]]) -> list[str]:
    """Return one table of the comparisons on the same videos, and one of their classes."""
    here = [one for one in comparisons if _videos(one) == videos]
    columns = ["model", "engine", "executed by", "all", "decided", "KL, mean", "KL, worst"]
    columns += ["largest difference", "gate"]
    lines = [
        f"### {', '.join(videos)}",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
        *(_comparison_row(one) for one in here),
    ]
    for samples in sorted({_reference(one) for one in here}):
        lines += ["", *_classes_table([one for one in here if _reference(one) == samples])]
    return lines


def _comparison_row(one: dict[str, Any]) -> str:
    figures, executed = one["figures"], one["executed"]
    by = [executed["executed_by"].partition("-")[0]]
    if "processor" in executed:
        by.append(f"{executed['processor'].partition(' (')[0]} {_vnni(one['machine'])}")
    by += [f"{count} layers {kind}" for kind, count in executed.get("layers", {}).items()]
    cells = [
        one["model"],
        one["engine"],
        ", ".join(by),
        f"{figures['agreeing']} of {figures['windows']} ({figures['agreement']:.1%})",
        f"{figures['decided_agreeing']} of {figures['decided_windows']}",
        f"{figures['mean_kl']:.4f}",
        f"{figures['worst_kl']:.4f}",
        f"{figures['largest_probability_difference']:.3f}",
        one["verdict"] + (", forced" if one["forced"] else ""),
    ]
    return "| " + " | ".join(cells) + " |"


def _classes_table(comparisons: list[dict[str, Any]]) -> list[str]:
    """Return a row for each class that FP32 puts first, a column for each comparison."""
    heads = [f"{one['model']}, {one['engine']}" for one in comparisons]
    by_label = [{row["label"]: row for row in one["figures"]["classes"]} for one in comparisons]
    lines = [f"| FP32's first class | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for label in sorted(by_label[0]):
        rows = [found[label] for found in by_label]
        cells = [
            f"{row['agreeing']} / {row['windows']} "
            f"({row['decided_agreeing']} / {row['decided_windows']})"
            for row in rows
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def _vnni(machine: dict[str, Any]) -> str:
    return "with VNNI" if machine["vnni"] else "without VNNI"


def _subject(one: dict[str, Any]) -> tuple[tuple[str, ...], str, str]:
    return _videos(one), one["model"], one["engine"]


def _videos(one: dict[str, Any]) -> tuple[str, ...]:
    return tuple(video["name"] for video in one["evidence"]["videos"])


def _reference(one: dict[str, Any]) -> str:
    """Return what tells sets of windows apart: the reference's classes come with them."""
    return json.dumps(one["evidence"])


def _profile_table(profile: dict[str, Any]) -> list[str]:
    head = (
        " with a random, untrained last layer: its agreement says little"
        if profile["random_head"]
        else ""
    )
    lines = [
        f"#### {profile['profile']}{head}",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    return lines + [_table_row(row) for row in profile["models"]]


def _table_row(row: dict[str, Any]) -> str:
    agreement = row["agreement"]
    judged = ["the reference", "the reference", "0", "—"]
    if agreement is not None:
        share = agreement["decided_agreement"]
        judged = [
            "none" if share is None else f"{share:.1%} of {agreement['decided_windows']}",
            f"{agreement['agreement']:.1%} of {agreement['windows']}",
            f"{agreement['mean_kl']:.4f}",
            agreement["verdict"],
        ]
    cells = [
        row["precision"],
        row["engine"],
        row["executed"],
        f"{row['windows_per_s']:.2f}",
        f"{row['times_fp32']:.2f}",
        *judged,
        f"{row['size_bytes'] / 1e6:.1f}",
        f"{row['load_s']:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _real_segment(contract: ModelContract) -> NDArray[np.uint8]:
    segments = segments_of(open_video(clip("bikes.mp4")), contract=contract, counts=DecodeCounts())
    return next(iter(segments)).frames


def _serve_and_time(
    repository: Path, models: list[ExportedModel], segment: NDArray[np.uint8], rounds: int
) -> dict[str, dict[str, Any]]:
    names = [model.name for model in models]
    at_a_time = usable_cores()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with serving(repository) as served, InferenceServerClient(served.triton.address) as client:
        said = dict(line.split(": ", maxsplit=1) for line in served.descriptions())
        for name in names:
            _ask(client, name, segment, at_a_time)  # a first answer also allocates
        for _ in range(rounds):
            for name in names:
                started = time.perf_counter()
                _ask(client, name, segment, at_a_time)
                seconds[name].append((time.perf_counter() - started) / at_a_time)
    loads = {name: _load_seconds(repository, name) for name in names}
    return {
        name: {"seconds": seconds[name], "load_s": loads[name], "said": said[name]}
        for name in names
    }


def _ask(
    client: InferenceServerClient, name: str, segment: NDArray[np.uint8], at_a_time: int
) -> None:
    tensor = InferInput(INPUT_FRAMES, [1, *segment.shape], "UINT8")
    tensor.set_data_from_numpy(segment[np.newaxis])
    errors: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    for _ in range(at_a_time):
        client.async_infer(
            name,
            [tensor],
            lambda result, error: errors.put(error),  # noqa: ARG005 - called by name
            outputs=[InferRequestedOutput(OUTPUT_PROBABILITIES)],
        )
    for _ in range(at_a_time):
        if error := errors.get():
            raise error


def _load_seconds(repository: Path, name: str) -> float:
    """Return the median time until a server of this model alone is ready."""
    found = []
    for _ in range(_LOAD_ROUNDS):
        started = time.perf_counter()
        with serving(repository, models=[name]):
            found.append(time.perf_counter() - started)
    return statistics.median(found)


def _row(model: ExportedModel, measured: dict[str, Any]) -> dict[str, Any]:
    seconds = statistics.median(measured["seconds"])
    windows = model.contract.windows_per_segment
    judged = next((one.document() for one in model.judged if one.engine == "openvino"), None)
    agreement = None
    if judged is not None:
        agreement = {"verdict": judged["verdict"], **judged["figures"]}
        del agreement["classes"]
    return {
        "model": model.name,
        "precision": model.precision,
        "engine": "openvino",
        "executed": measured["said"].partition("executes ")[2],
        "windows_per_s": round(windows / seconds, 3),
        "seconds_per_request": [round(value, 4) for value in measured["seconds"]],
        "agreement": agreement,
        "size_bytes": sum((model.folder / "1" / file).stat().st_size for file in _FILES),
        "load_s": round(measured["load_s"], 3),
    }


def main() -> None:
    """Measure or record what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="measure, into this file")
    parser.add_argument("--record", type=Path, metavar="REPOSITORY", help="keep its comparisons")
    parser.add_argument("--table", type=Path, required=True, help="the page")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profiles", nargs="+", default=["kinetics400", "homecage9"])
    options = parser.parse_args()
    if options.out:
        facts = _machine()
        results = {
            "what": "every precision on the CPU, through the real Triton",
            "machine": facts,
            "requests_at_a_time": usable_cores(),
            "profiles": [_measured(profile, options.rounds) for profile in options.profiles],
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")
    if options.record:
        record_verifications(options.record, options.results / "agreement.json")
    page = page_of(options.results)
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(page)
    sys.stdout.write(page)


def _measured(profile: str, rounds: int) -> dict[str, Any]:
    if profile == "homecage9":
        return measure(profile=profile, random_head=True, rounds=max(3, rounds // 3))
    return measure(profile=profile, random_head=False, rounds=rounds)


if __name__ == "__main__":
    main()
