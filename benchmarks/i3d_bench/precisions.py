"""Every precision of a model behind the real Triton: window rate, agreement, size, load time.

python -m i3d_bench.precisions --out benchmarks/results/precisions.json --table docs/precisions.md

The models are exported as a user exports them, by the default clips, and served by the real
Triton on this machine's CPU. Precisions take turns, round by round, so that whatever else the
machine does falls on all of them; a window's time is the median of its rounds. The table is made
from the JSON alone (``--table-only`` makes it again).
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


def table_of(results: dict[str, Any]) -> str:
    """Return the Markdown page that the JSON makes."""
    machine = results["machine"]
    lines = [
        "# Precisions, measured",
        "",
        "Made by `python -m i3d_bench.precisions` from `benchmarks/results/precisions.json`; "
        "changes here are lost.",
        "",
        f"{machine['cpu']}, {machine['cores_usable']} cores, no GPU, OpenVINO "
        f"{machine['packages']['openvino']}, {machine['measured_at'][:10]}; load average before: "
        f"{machine['load_average_before']:.2f}. Through the real Triton, requests at a time: "
        f"{results['requests_at_a_time']}; real video. No figure here is one of a "
        "GPU: the TensorRT graphs have not been timed.",
        "",
        "Agreement: the first class is FP32's (ONNX Runtime), on windows whose frames calibration "
        "did not use; *decided* are those where FP32's first class has more than 0.5. *Server "
        "ready* is the time from nothing to a server that answers with this model alone, its "
        "compiled network in the cache.",
    ]
    for profile in results["profiles"]:
        lines += ["", *_profile_table(profile)]
    return "\n".join(lines) + "\n"


def _profile_table(profile: dict[str, Any]) -> list[str]:
    head = (
        " with a random, untrained last layer: its agreement says little"
        if profile["random_head"]
        else ""
    )
    lines = [
        f"## {profile['profile']}{head}",
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
    """Measure both shipped profiles, write the JSON and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--table-only", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if not options.table_only:
        facts = machine_facts()
        profiles = [
            measure(profile="kinetics400", random_head=False, rounds=options.rounds),
            measure(profile="homecage9", random_head=True, rounds=max(3, options.rounds // 3)),
        ]
        results = {
            "what": "every precision on the CPU, through the real Triton",
            "machine": facts,
            "requests_at_a_time": usable_cores(),
            "profiles": profiles,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=2) + "\n")
    page = table_of(json.loads(options.out.read_text()))
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
