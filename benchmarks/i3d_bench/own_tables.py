"""Tables of ``own_behaviours.json`` for the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from i3d_bench.bench.bench_table import NOTHING, Table, seconds_text, share_text

_CPU = "Precisions are those of the CPU engine on the machine above; none of this ran on a GPU."


def own_table(document: Mapping[str, Any], name: str) -> Table:
    """Return a table by its name.

    Raises:
        KeyError: there is no such table.
    """
    return _TABLES[name](document)


def is_own_table(name: str) -> bool:
    """Say whether a table is one of these."""
    return name in _TABLES


def _accuracy(document: Mapping[str, Any]) -> Table:
    cages = document["cages"]
    fp32 = cages["served"]["fp32"]["balanced_accuracy"]
    rows = [
        _accuracy_row(
            f"served at {precision.upper()}",
            served["balanced_accuracy"],
            served["recall"],
            lost=100 * (fp32 - served["balanced_accuracy"]),
        )
        for precision, served in cages["served"].items()
    ]
    for title, fit in (
        ("the head's own test, by animal", cages["fit"]),
        ("single frames: every window frozen to its last picture", cages["single_frames"]),
    ):
        measures = fit["measures"]
        recall = {one["label"]: one["recall"] for one in measures["classes"]}
        rows.append(_accuracy_row(title, measures["balanced_accuracy"], recall, lost=None))
    machine = cages["machine"]
    return Table(
        title="Balanced accuracy over nine behaviours of synthetic cages",
        columns=("what", "balanced accuracy", "lost to FP32", "least recall", "of"),
        rows=tuple(rows),
        notes=(
            f"Served: {cages['frames_tested']:,} frames of {cages['animals_tested']} animals that "
            f"the head has not seen, frame by frame, by windows at stride {cages['stride']}. "
            f"Fitted on {cages['frames_fitted']:,} frames of {cages['animals_fitted']} others. "
            f"The videos are synthetic. {machine['cpu']}, {machine['cores_usable']} cores. {_CPU}",
        ),
        words=("of",),
    )


def _accuracy_row(
    title: str, accuracy: float, recall: Mapping[str, float | None], *, lost: float | None
) -> tuple[str, ...]:
    known = {label: value for label, value in recall.items() if value is not None}
    worst = min(known, key=lambda label: known[label])
    points = NOTHING if lost is None else f"{lost:+.1f} points"
    return (title, share_text(accuracy), points, share_text(known[worst]), worst)


def _recall(document: Mapping[str, Any]) -> Table:
    cages = document["cages"]
    single = {one["label"]: one["recall"] for one in cages["single_frames"]["measures"]["classes"]}
    served = cages["served"]
    labels = next(iter(served.values()))["labels"]
    return Table(
        title="Recall of each behaviour",
        columns=("behaviour", *(name.upper() for name in served), "single frames"),
        rows=tuple(
            (
                label,
                *(share_text(one["recall"][label]) for one in served.values()),
                share_text(single[label]),
            )
            for label in labels
        ),
    )


def _budget(document: Mapping[str, Any]) -> Table:
    natural = document["cages"]["natural"]
    return Table(
        title="Seconds of each behaviour in a recording with natural shares",
        columns=("behaviour", "true", "found", "difference"),
        rows=tuple(
            (
                label,
                f"{one['true_s']:.1f} s",
                f"{one['found_s']:.1f} s",
                f"{one['found_s'] - one['true_s']:+.1f} s",
            )
            for label, one in natural["seconds_of_label"].items()
        ),
        notes=(
            f"{natural['frames']:,} frames of one animal that the head has not seen, INT8, "
            f"stride {document['cages']['stride']}; balanced accuracy "
            f"{share_text(natural['balanced_accuracy'])}.",
        ),
    )


def _times(document: Mapping[str, Any]) -> Table:
    cages = document["cages"]
    fit, again = cages["fit"]["times_s"], cages["again"]
    minutes = cages["frames_fitted"] / 30 / 60
    rows = [
        (f"features of {minutes:.0f} minutes of video", seconds_text(fit["features"])),
        ("head, test, learning curve, suggestions", seconds_text(fit["training"])),
        ("export, calibration and judging of three precisions", seconds_text(fit["export"])),
        ("the whole command", seconds_text(cages["fit"]["seconds"])),
        ("again with other labels, without the export", seconds_text(again["seconds"])),
    ]
    machine = cages["machine"]
    return Table(
        title="How long i3d fit takes",
        columns=("part", "time"),
        rows=tuple(rows),
        notes=(f"{machine['cpu']}, {machine['cores_usable']} cores, no GPU.",),
    )


def _wrong(document: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            share_text(one["balanced_accuracy"]),
            "; ".join(f"{doubt['recording']}: {doubt['said']}" for doubt in one["doubts"])
            or "nothing",
        )
        for name, one in document["cages"]["wrong"].items()
    ]
    return Table(
        title="Annotations that are wrong, and what is said",
        columns=("annotations", "balanced accuracy", "said"),
        rows=tuple(rows),
        words=("said",),
    )


def _real(document: Mapping[str, Any]) -> Table:
    real = document["real"]
    rows = [
        (
            f"served at {precision.upper()}",
            share_text(served["balanced_accuracy"]),
            *(share_text(value) for value in served["recall"].values()),
            f"{served['kappa']:.2f}",
            f"{served['frames_compared']:,}",
        )
        for precision, served in real["served"].items()
    ]
    labels = next(iter(real["served"].values()))["labels"]
    return Table(
        title=f"{real['video']}: move and still",
        columns=(
            "what",
            "balanced accuracy",
            *(f"recall of {label}" for label in labels),
            "kappa",
            "frames",
        ),
        rows=tuple(rows),
        notes=(
            f"Fitted on the first {real['fitted_on_share']:.0%} of the video, tested on the rest; "
            "chance is 50 %. What is true is derived from the pixels (i3d_bench.moving).",
        ),
    )


_TABLES: dict[str, Callable[[Mapping[str, Any]], Table]] = {
    "own_accuracy": _accuracy,
    "own_recall": _recall,
    "own_budget": _budget,
    "own_times": _times,
    "own_wrong": _wrong,
    "own_real": _real,
}
