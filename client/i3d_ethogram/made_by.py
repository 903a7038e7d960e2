"""What made a recording's labels: recordings in which it differs must not be compared unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i3d_client.printable import json_line, printable
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.smoothing import Smoothing

NOTHING = "none"
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """What made the labels of one recording.

    Attributes:
        model: name, version, engine and precision.
        contract: JSON of each field of the model's contract.
        build: JSON of each field of what the model was built from: checksums and versions.
        software: version of i3d-triton that classified it.
        smoothing: as ``smoothing_text`` says it.
    """

    model: str
    contract: Mapping[str, str]
    build: Mapping[str, str]
    software: str
    smoothing: str


def made_by(ethogram: Ethogram) -> MadeBy:
    """Return what run.json and the ethogram say."""
    model = ethogram.run["model"]
    return MadeBy(
        model=model_text(model),
        contract=_fields(model["contract"]),
        build=_fields(model.get("build")),
        software=printable(str((ethogram.run.get("packages") or {}).get("i3d-triton", "unknown"))),
        smoothing=smoothing_text(ethogram.smoothing),
    )


def model_text(model: Mapping[str, Any]) -> str:
    """Name a model, as run.json has it: ``homecage9_fp32, version 1, openvino, fp32``."""
    known = [model["name"], f"version {model['version']}", model["engine"]]
    if model.get("precision"):
        known.append(model["precision"])
    return printable(", ".join(map(str, known)))


def smoothing_text(smoothing: Smoothing) -> str:
    """Name the rules: ``merge bouts frames 3; merge label frames {"rest": 150}``, or ``none``."""
    rules = [
        f"{rule.replace('_', ' ')} {json.dumps(value, ensure_ascii=False)}"
        for rule, value in smoothing.as_document().items()
    ]
    return printable("; ".join(rules)) or NOTHING


def differences(recordings: Sequence[tuple[str, MadeBy]]) -> list[str]:
    """Say in what recordings differ, by name: a line for each of model, contract, … that does.

    A short text is shown in full; of a contract or a build, the fields that differ are named.
    """
    found = [
        f"recordings differ in their {what}: "
        + "; ".join(f"{text} in {_some(names)}" for text, names in kinds.items())
        for what, kinds in (
            ("models", _kinds([(name, made.model) for name, made in recordings])),
            ("smoothing", _kinds([(name, made.smoothing) for name, made in recordings])),
            (
                "versions of i3d-triton",
                _kinds([(name, made.software) for name, made in recordings]),
            ),
        )
        if len(kinds) > 1
    ]
    for what, all_fields in (
        ("models' contracts", [(name, made.contract) for name, made in recordings]),
        ("models' builds", [(name, made.build) for name, made in recordings]),
    ):
        kinds = _kinds(
            [(name, json_line(dict(sorted(fields.items())))) for name, fields in all_fields]
        )
        if len(kinds) > 1:
            differing = ", ".join(_differing([fields for _, fields in all_fields]))
            groups = "; ".join(f"one in {_some(names)}" for names in kinds.values())
            found.append(f"recordings differ in their {what} ({differing}): {groups}")
    return found


def _fields(document: object) -> dict[str, str]:
    """Return JSON of each field; of what is no object, as of one field without a name."""
    fields = document if isinstance(document, Mapping) else {"": document}
    return {str(key): json.dumps(value, sort_keys=True) for key, value in fields.items()}


def _kinds(texts: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names of the recordings of each text, texts as they come first."""
    kinds: dict[str, list[str]] = {}
    for name, text in texts:
        kinds.setdefault(text, []).append(name)
    return kinds


def _differing(documents: Sequence[Mapping[str, str]]) -> list[str]:
    every = dict.fromkeys(key for document in documents for key in document)
    return [key for key in every if len({document.get(key) for document in documents}) > 1]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
