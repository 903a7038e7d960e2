"""What the report's template shows, as text: one function a part of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from i3d_client.printable import printable
from i3d_fit.measures import Measures

View = dict[str, Any]


def verdict(measures: Measures) -> View:
    """Return the measure that counts, and the places of its bar, in percent."""
    low, high = measures.interval or (None, None)
    return {
        "accuracy": f"{measures.balanced_accuracy:.1%}",
        "interval": None if low is None or high is None else f"{low:.1%} to {high:.1%}",
        "interval_over": measures.interval_over,
        "chance": f"{measures.chance:.1%}",
        "at": f"{100 * measures.balanced_accuracy:.2f}",
        "low": None if low is None else f"{100 * low:.2f}",
        "width": None if low is None or high is None else f"{100 * (high - low):.2f}",
        "chance_at": f"{100 * measures.chance:.2f}",
    }


def doubt_texts(document: Mapping[str, Any]) -> list[View]:
    """Return what may be wrong: with annotations first, then with the measures."""
    found = [
        {
            "text": f"{one['recording']}: {one['said']}" if one["recording"] else one["said"],
            "serious": True,
        }
        for one in document["doubts"]
    ]
    found += [{"text": text, "serious": False} for text in document["cross_validation"]["doubts"]]
    if document["refused"] is not None:
        found.insert(0, {"text": document["refused"], "serious": True})
    return found


def class_rows(document: Mapping[str, Any]) -> list[View]:
    """Return a row a behaviour."""
    windows = document["windows"]["of_label"]
    return [
        {
            "row": place,
            "name": printable(one["label"]),
            "windows": f"{one['windows']:,}",
            "trained_on": f"{windows[one['label']]['trained_on']:,}",
            "recall": _percent(one["recall"]),
            "precision": _percent(one["precision"]),
            "f1": _ratio(one["f1"]),
            "width": f"{100 * (one['recall'] or 0):.1f}",
        }
        for place, one in enumerate(document["measures"]["classes"])
    ]


def suggestion_rows(document: Mapping[str, Any]) -> list[View]:
    """Return a row a stretch to annotate next."""
    return [
        {
            "recording": printable(one["recording"]),
            "start": clock_text(one["start_s"]),
            "length": f"{one['stop_s'] - one['start_s']:.1f} s",
            "frames": f"{one['start_frame']}–{one['stop_frame'] - 1}",
            "first": printable(one["first"]),
            "second": printable(one["second"]),
            "margin": f"{one['margin']:.2f}",
        }
        for one in document["suggestions"]
    ]


def model_rows(document: Mapping[str, Any]) -> list[View]:
    """Return a row a precision: what it is, and what it loses against FP32."""
    judged = {(one["model"], one["engine"]): one for one in document.get("judged", ())}
    placed = {one["name"] for one in document["models"]}
    empty = dict.fromkeys(("engine", "windows", "accuracy", "worst", "agrees", "said"), "")
    rows: list[View] = [
        {**empty, "name": one["name"], "gate": "placed"}
        for one in document["models"]
        if not any(model == one["name"] for model, _ in judged)
    ]
    for (model, engine), one in judged.items():
        figures = one["figures"]
        accuracy = figures.get("accuracy")
        state = "placed" if model in placed else "NOT placed"
        rows.append(
            {
                "name": model,
                "engine": engine,
                "windows": f"{figures['windows']:,}",
                "accuracy": ""
                if accuracy is None
                else f"{accuracy['reference']:.1%} → {accuracy['candidate']:.1%}",
                "worst": "" if accuracy is None else _worst(accuracy["worst_class"]),
                "agrees": _percent(figures["agreement"]),
                "gate": f"{one['verdict']}, {state}",
                "said": one["said"],
            }
        )
    return rows


def provenance_rows(document: Mapping[str, Any]) -> list[View]:
    """Return what made it, as names and texts."""
    features = document["features"]["model"]
    contract = features["contract"]
    lines = [
        ("Made", document["made_at"]),
        (
            "Features",
            f"{features['name']}, {features['precision']}, {features['engine']}; windows of "
            f"{contract['clip_frames']} frames at stride {contract['stride']}, "
            f"{contract['height']} × {contract['width']} {contract['colour']}",
        ),
        (
            "Head",
            f"multinomial logistic regression, classes weighted equally, strength "
            f"{document['chosen']['strength']:g}, temperature "
            f"{document['chosen']['temperature']:.3g}; SHA-256 {document['head_sha256']}",
        ),
        *_network_lines(document),
        *(
            (
                "Video",
                f"{one['recording']}: {one['frames']:,} frames at {one['fps']:g} frames/s, "
                f"{'annotated' if one['annotated'] else 'without labels'}; SHA-256 {one['sha256']}",
            )
            for one in document["videos"]
        ),
        *(
            ("Annotations", f"{one['path']}; SHA-256 {one['sha256']}")
            for one in document["annotations"]
        ),
        ("Packages", ", ".join(f"{name} {it}" for name, it in document["packages"].items())),
        (
            "Time",
            ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in document["times_s"].items()),
        ),
    ]
    return [{"name": name, "text": text} for name, text in lines]


def _network_lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    tuned = document["fine_tuning"]
    if tuned is None or tuned["network_sha256"] is None:
        return []
    text = f"last blocks ({tuned['blocks']}) trained on these videos, on {tuned['device']}"
    return [("Network", f"{text}; SHA-256 {tuned['network_sha256']}")]


def clock_text(seconds: float) -> str:
    """Write a time as h:mm:ss.s, as players show it."""
    tenths = round(seconds * 10)
    whole, rest = divmod(tenths, 10)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{rest}"


def _worst(one: Mapping[str, Any]) -> str:
    return f"{printable(one['label'])} {one['reference']:.1%} → {one['candidate']:.1%}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
