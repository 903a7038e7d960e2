"""Tables of ``own_behaviours.json`` for the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from i3d_bench.bench.bench_table import NOTHING, Table, seconds_text, share_text

_CPU = "Precisions are those of the CPU engine on the machine above; none of this ran on a GPU."


def own_table(document: Mapping[str, Any], name: str) -> Table:
    """Return a table by its name; without rows if something of it was not measured.

    Raises:
        KeyError: there is no such table.
    """
    table, parts = _TABLES[name]
    if not all(part in document for part in parts):
        return Table(title=name, columns=("nothing",), rows=())
    return table(document)


def is_own_table(name: str) -> bool:
    """Say whether a table is one of these."""
    return name in _TABLES


def _accuracy(document: Mapping[str, Any]) -> Table:
    served = document["served"]["found"]
    fp32 = served["at"]["fp32"]["balanced_accuracy"]
    rows = [
        _accuracy_row(
            f"served at {precision.upper()}",
            one["balanced_accuracy"],
            one["recall"],
            lost=100 * (fp32 - one["balanced_accuracy"]),
        )
        for precision, one in served["at"].items()
    ]
    tests = {
        title: document[part]["found"]
        for title, part in (
            ("the head's own test, by animal", "fit"),
            ("single frames: the same test, every window frozen to one picture", "single_frames"),
        )
        if part in document
    }
    for title, one in tests.items():
        measures = one["measures"]
        recall = {part["label"]: part["recall"] for part in measures["classes"]}
        rows.append(_accuracy_row(title, measures["balanced_accuracy"], recall, lost=None))
    return Table(
        title="Balanced accuracy over nine behaviours of synthetic cages",
        columns=("what", "balanced accuracy", "lost to FP32", "least recall", "of"),
        rows=tuple(rows),
        notes=(
            f"Served: {served['frames']:,} frames of {served['animals']} animals that the head has "
            f"not seen, frame by frame, by windows at stride {served['stride']}. Fitted on "
            f"{served['frames_fitted']:,} frames of {served['animals_fitted']} others. The videos "
            f"are synthetic, by version {served['cages_version']} of the generator. "
            f"{_on(document['served'])} {_CPU}",
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
    measures = document["single_frames"]["found"]["measures"]
    single = {one["label"]: one["recall"] for one in measures["classes"]}
    served = document["served"]["found"]["at"]
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
    natural = document["natural"]["found"]
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
            f"{natural['frames']:,} frames of one animal that the head has not seen, INT8, stride "
            f"{natural['stride']}; balanced accuracy {share_text(natural['balanced_accuracy'])}.",
        ),
    )


def _times(document: Mapping[str, Any]) -> Table:
    fit, again = document["timed"]["found"], document["again"]["found"]
    times = fit["times_s"]
    minutes = fit["frames"] / 30 / 60
    rows = [
        (f"features of {minutes:.0f} minutes of video", seconds_text(times["features"])),
        ("head, test, learning curve, suggestions", seconds_text(times["training"])),
        ("export, calibration and judging of INT8", seconds_text(times["export"])),
        ("the whole command", seconds_text(fit["seconds"])),
        ("again with other labels, without the export", seconds_text(again["seconds"])),
    ]
    load = document["timed"]["machine"]["load_average_before"]
    return Table(
        title="How long i3d fit takes",
        columns=("part", "time"),
        rows=tuple(rows),
        notes=(f"{_on(document['timed'])} No GPU; a load of {load:.1f} before it began.",),
    )


def _wrong(document: Mapping[str, Any]) -> Table:
    rows = [
        (
            name,
            share_text(one["balanced_accuracy"]),
            "; ".join(f"{doubt['recording']}: {doubt['said']}" for doubt in one["doubts"])
            or "nothing",
        )
        for name, one in document["wrong"]["found"].items()
    ]
    return Table(
        title="Annotations that are wrong, and what is said",
        columns=("annotations", "balanced accuracy", "said"),
        rows=tuple(rows),
        words=("said",),
    )


def _real(document: Mapping[str, Any]) -> Table:
    real = document["real"]["found"]
    labels = next(iter(real["fits"][0]["served"].values()))["labels"]
    rows = [
        (
            f"stride {fitted['stride']}, {fitted['features_precision'].upper()}",
            f"{fitted['fit']['windows']['trained_on']:,}",
            f"{precision.upper()}, stride {fitted['served_stride']}",
            share_text(served["balanced_accuracy"]),
            *(share_text(served["recall"][label]) for label in labels),
            f"{served['kappa']:.2f}",
        )
        for fitted in real["fits"]
        for precision, served in fitted["served"].items()
    ]
    frames = next(iter(real["fits"][0]["served"].values()))["frames_compared"]
    own = ", ".join(
        f"{share_text(fitted['fit']['measures']['balanced_accuracy'])} at stride {fitted['stride']}"
        for fitted in real["fits"]
    )
    return Table(
        title=f"{real['video']}: move and still",
        columns=(
            "features at",
            "windows trained on",
            "served at",
            "balanced accuracy",
            *(f"recall of {label}" for label in labels),
            "kappa",
        ),
        rows=tuple(rows),
        notes=(
            f"Fitted on the first {real['fitted_on_share']:.0%} of the video, tested on the "
            f"{frames:,} frames of the rest; chance is 50 %. What is true is derived from the "
            f"pixels (i3d_bench.moving). The fit's own test, on stretches of the first part, gave "
            f"{own}.",
        ),
        words=("served at",),
    )


def _on(part: Mapping[str, Any]) -> str:
    machine = part["machine"]
    return f"{machine['cpu']}, {machine['cores_usable']} cores."


_TABLES: dict[str, tuple[Callable[[Mapping[str, Any]], Table], tuple[str, ...]]] = {
    "own_accuracy": (_accuracy, ("served",)),
    "own_recall": (_recall, ("served", "single_frames")),
    "own_budget": (_budget, ("natural",)),
    "own_times": (_times, ("timed", "again")),
    "own_wrong": (_wrong, ("wrong",)),
    "own_real": (_real, ("real",)),
}
