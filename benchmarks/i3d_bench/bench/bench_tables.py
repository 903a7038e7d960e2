"""The bench's tables but for those of costs: what the figures show, in numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from i3d_bench.bench.bench_notes import SIMULATED, not_complete
from i3d_bench.bench.bench_results import ASYNCHRONOUS, BenchResults, Bound, Run
from i3d_bench.bench.bench_table import (
    NOTHING,
    Table,
    digits_text,
    percent_text,
    seconds_text,
    share_text,
)
from i3d_bench.bench.costs import costs_table, experiment_table, pooled_seconds_per_video_hour
from i3d_bench.bench.pipeline_names import (
    BOUND_TEXT,
    configuration_name,
    cores_text,
    precision_name,
)


def timelines_table(results: BenchResults) -> Table:
    """Return how busy cores and device were in the runs that were traced (Fig. 1)."""
    rows = [
        (
            configuration_name(one.pipeline, one.precision),
            str(one.cores),
            seconds_text(one.seconds),
            percent_text(one.cores_busy_percent),
            percent_text(one.device_busy_percent),
            one.device_row,
            one.file,
        )
        for one in results.timelines
    ]
    return Table(
        title="How busy cores and device were",
        columns=(
            "traced run",
            "cores",
            "took",
            "cores busy",
            "device's row filled",
            "with",
            "for ui.perfetto.dev",
        ),
        rows=tuple(rows),
        words=("with", "for ui.perfetto.dev"),
    )


def cores_table(results: BenchResults) -> Table:
    """Return run times over cores with their bounds, for the first video (Fig. 2)."""
    video = results.videos[0] if results.videos else ""
    rows = []
    for pipeline in results.pipelines:
        for precision in results.precisions:
            runs = {
                run.cores: run
                for run in results.runs_of(pipeline=pipeline, precision=precision, video=video)
            }
            if runs:
                cells = [_spread(runs.get(cores)) for cores in results.cores]
                rows.append((configuration_name(pipeline, precision), *cells))
    bounds = results.bounds_of(video)
    for bound, at in dict.fromkeys((one.bound, one.precision) for one in bounds):
        name = bound if at is None else f"{bound}, {precision_name(at)}"
        alone = [one for one in bounds if (one.bound, one.precision) == (bound, at)]
        rows.append((f"{name} alone", *(_bound_cell(alone, cores) for cores in results.cores)))
    return Table(
        title=f"Run time of an hour of video over cores: {video}",
        columns=("seconds", *(cores_text(cores) for cores in results.cores)),
        rows=tuple(rows),
        notes=("Median, and quartiles of the repeats in brackets.",),
    )


def precisions_table(results: BenchResults) -> Table:
    """Return the asynchronous pipeline's run time by precision and video (Fig. 3)."""
    runs = results.runs_of(pipeline=ASYNCHRONOUS, cores=max(results.cores, default=None))
    rows: list[tuple[str, ...]] = []
    for video in results.videos:
        of_video = {run.precision: run for run in runs if run.video == video}
        if of_video:
            rows.append((video, *(_spread(of_video.get(one)) for one in results.precisions)))
    summed = {
        precision: [run for run in runs if run.precision == precision]
        for precision in results.precisions
    }
    if len(rows) > 1:
        rows.append(("median of the videos", *(_median(of) for of in summed.values())))
        rows.append(("all videos together", *(_pooled(of) for of in summed.values())))
    return Table(
        title="Run time of an hour of video by precision, asynchronous",
        columns=("seconds", *(precision_name(one) for one in results.precisions)),
        rows=tuple(rows),
        notes=("Median, and quartiles of the repeats in brackets.",) if rows else (),
    )


def bounds_table(results: BenchResults) -> Table:
    """Return each part of the work alone."""
    rows = [
        (
            one.bound if one.precision is None else f"{one.bound}, {precision_name(one.precision)}",
            str(one.cores),
            one.video,
            digits_text(one.frames_per_s),
            seconds_text(one.seconds_per_video_hour),
            BOUND_TEXT.get(one.bound, NOTHING),
        )
        for one in results.bounds
    ]
    return Table(
        title="Each part of the work alone",
        columns=("part", "cores", "video", "frames/s", "an hour of video", "what it is"),
        rows=tuple(rows),
        words=("video", "what it is"),
    )


def agreement_table(results: BenchResults) -> Table:
    """Return what was compared before anything was timed."""
    reference = precision_name(results.precisions[0])
    rows = []
    for name, found in results.agreement.items():
        is_precision = name in results.precisions
        rows.append(
            (
                f"{precision_name(name)} and {reference}"
                if is_precision
                else _COMPARED.get(name, name.replace("_", " ")),
                str(found["windows"]),
                share_text(found["same_first_class"]),
                str(found["decided_windows"]),
                share_text(found["same_first_class_of_decided"]),
                _plain(found.get("largest_difference")),
            )
        )
    return Table(
        title="Answers, compared before anything was timed",
        columns=(
            "compared",
            "windows",
            "same first class",
            "decided",
            "same of these",
            "largest difference",
        ),
        rows=tuple(rows),
        notes=("Decided: the first class of the reference has more than 0.5.",) if rows else (),
    )


def runs_table(results: BenchResults) -> Table:
    """Return every run."""
    rows = [
        (
            configuration_name(run.pipeline, run.precision),
            str(run.cores),
            run.video,
            f"{run.windows:,}",
            NOTHING if run.batch is None else str(run.batch),
            " ".join(digits_text(seconds) for seconds in run.seconds),
            digits_text(run.start_s),
            digits_text(run.seconds_per_video_hour),
            share_text(run.device_busy),
            NOTHING if run.client_processor_s is None else digits_text(run.client_processor_s),
        )
        for run in results.runs
    ]
    return Table(
        title="Every run",
        columns=(
            "run",
            "cores",
            "video",
            "windows",
            "batch",
            "repeats, s",
            "of them start, s",
            "an hour of video, s",
            "device busy",
            "client's processor, s",
        ),
        rows=tuple(rows),
        words=("video",),
    )


def machine_table(results: BenchResults) -> Table:
    """Return where and on what it was measured."""
    document = results.document
    machine, server = document["machine"], document["server"]
    where = "started on this machine" if server["embedded"] else str(server["address"])
    contract = document["contract"]
    packages = machine.get("packages", {})
    facts: list[tuple[str, Any]] = [
        ("measured at", machine.get("measured_at")),
        ("processor", machine.get("cpu")),
        ("usable cores", machine.get("cores_usable")),
        ("GPU of the client's machine", _plain(machine.get("gpu"))),
        ("load average before", machine.get("load_average_before")),
        ("server", f"{server['version'] or 'version unknown'}, {where}"),
        ("device", "SIMULATED: it sleeps" if results.simulated else "as the server has it"),
        ("model", f"{document['model_base']}: {', '.join(results.precisions)}"),
        ("windows", _windows(contract)),
        ("largest batch of the server", _listed(server["max_batch_size"])),
        ("batch asked for", document["batch_wanted"]),
        ("repeats", document["repeats"]),
        *((f"video: {one['name']}", _video(one)) for one in document["videos"]),
        ("packages", ", ".join(f"{name} {of}" for name, of in packages.items())),
    ]
    rows = tuple((name, _plain(value)) for name, value in facts if value not in (None, ""))
    return Table(
        title="What was measured, where", columns=("fact", "value"), rows=rows, words=("value",)
    )


TABLES: Mapping[str, Callable[[BenchResults], Table]] = {
    "costs": costs_table,
    "experiment": experiment_table,
    "timelines": timelines_table,
    "cores": cores_table,
    "precisions": precisions_table,
    "bounds": bounds_table,
    "agreement": agreement_table,
    "machine": machine_table,
    "runs": runs_table,
}
"""By the name that pages ask for."""


def table_of(results: BenchResults, name: str) -> Table:
    """Return a table by its name; it says if a device was simulated or the bench was stopped.

    Raises:
        KeyError: there is no such table.
    """
    table = TABLES[name](results)
    first = [f"{SIMULATED}."] if results.simulated else []
    if results.stopped_by is not None:
        first.append(not_complete(results.stopped_by))
    return replace(table, notes=(*first, *table.notes))


_COMPARED = {
    "asynchronous_vs_synchronous": "asynchronous and synchronous",
    "parallel_vs_synchronous": "parallel and synchronous",
    "tf": "TensorFlow and synchronous",
}


def _spread(run: Run | None) -> str:
    if run is None:
        return NOTHING
    q1, q3 = run.quartiles_per_video_hour
    median = digits_text(run.seconds_per_video_hour)
    return f"{median} ({digits_text(q1)}–{digits_text(q3)})"


def _bound_cell(bounds: Sequence[Bound], cores: int) -> str:
    found = [one.seconds_per_video_hour for one in bounds if one.cores == cores]
    return digits_text(found[0]) if found else NOTHING


def _median(runs: Sequence[Run]) -> str:
    if not runs:
        return NOTHING
    return digits_text(statistics.median(run.seconds_per_video_hour for run in runs))


def _pooled(runs: Sequence[Run]) -> str:
    return digits_text(pooled_seconds_per_video_hour(runs)) if runs else NOTHING


def _windows(contract: Mapping[str, Any]) -> str:
    return (
        f"{contract['clip_frames']} frames of {contract['height']} × {contract['width']} "
        f"{contract['colour']}, stride {contract['stride']}, "
        f"{contract['windows_per_segment']} a request"
    )


def _video(video: Mapping[str, Any]) -> str:
    return (
        f"{video['codec']}, {video['width']} × {video['height']}, {video['num_frames']:,} frames, "
        f"{video['fps']:g} frames/s, {video['seconds']:,.1f} s"
    )


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{precision_name(name)} {value}" for name, value in values.items())


def _plain(value: Any) -> str:
    if value is None:
        return NOTHING
    return f"{value:.3g}" if isinstance(value, float) else str(value)
