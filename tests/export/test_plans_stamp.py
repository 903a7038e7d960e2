"""When a plan has to be built again: a pure function of what it is bound to."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from i3d_export.plan_stamp import (
    PlanBinding,
    PlanOptions,
    PlanStamp,
    plan_document,
    read_stamp,
    stale_reason,
)

BINDING = PlanBinding(
    onnx_sha256="aa",
    max_batch_size=8,
    module="tensorrt",
    version="11.0.0.114",
    gpu="NVIDIA L4",
    compute_capability="8.9",
    options=PlanOptions(),
)
T4 = {"gpu": "Tesla T4", "compute_capability": "7.5"}
A10 = {"gpu": "NVIDIA A10", "compute_capability": "8.6"}


def stamp(**changes: Any) -> PlanStamp:
    return PlanStamp(
        binding=dataclasses.replace(BINDING, **changes),
        driver_version="580.95.05",
        graph_precision="int8",
        plan_sha256="bb",
        plan_bytes=3,
        activation_bytes=None,
        build_seconds=1.5,
    )


def wanted(**changes: Any) -> PlanBinding:
    return dataclasses.replace(BINDING, **changes)


def test_a_plan_for_the_same_is_not_stale() -> None:
    assert stale_reason(stamp(), wanted()) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"onnx_sha256": "cc"}, "model.onnx has changed"),
        ({"max_batch_size": 2}, "max_batch_size was 8, is 2"),
        (
            {"options": PlanOptions(workspace_gib=2.5, version_compatible=True)},
            "options were the defaults, are workspace 2.5 GiB, version-compatible",
        ),
        (
            {"version": "11.1.0.106"},
            "it was built by tensorrt 11.0.0.114, this is tensorrt 11.1.0.106",
        ),
        (
            {"module": "tensorrt_rtx"},
            "it was built by tensorrt 11.0.0.114, this is tensorrt_rtx 11.0.0.114",
        ),
        (T4, "it was built for NVIDIA L4 (8.9), this is Tesla T4 (7.5)"),
    ],
)
def test_what_a_plan_is_bound_to_makes_it_stale(changes: dict[str, Any], reason: str) -> None:
    assert stale_reason(stamp(), wanted(**changes)) == reason


@pytest.mark.parametrize(
    ("version", "stale"),
    [("11.0.0.114", False), ("11.2.1.2", False), ("10.16.1.1", True), ("12.0.0.1", True)],
)
def test_a_version_compatible_plan_loads_in_later_releases_of_its_major(
    version: str, stale: bool
) -> None:
    options = PlanOptions(version_compatible=True)
    reason = stale_reason(stamp(options=options), wanted(options=options, version=version))
    assert (reason is not None) == stale


def test_a_hardware_compatible_plan_runs_from_ampere_on() -> None:
    options = PlanOptions(hardware_compatible=True)
    built = stamp(options=options)
    assert stale_reason(built, wanted(options=options, **A10)) is None
    reason = stale_reason(built, wanted(options=options, **T4))
    assert reason == "a hardware-compatible plan does not run on Tesla T4 (7.5)"


def test_a_stamp_comes_back_from_its_file(tmp_path: Path) -> None:
    built = stamp(options=PlanOptions(workspace_gib=4))
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan_document(built, {})))
    assert read_stamp(path) == built


def test_the_file_says_what_the_export_knew_of_the_same_graph() -> None:
    build = {
        "precision": "int8",
        "checkpoint_sha256": "dd",
        "onnx_sha256": "aa",
        "engines": {"openvino": {"version": "1"}},
    }
    document = plan_document(stamp(), build)
    assert document["checkpoint_sha256"] == "dd"
    assert list(document["engines"]) == ["tensorrt"]
    assert document["engines"]["tensorrt"]["gpu"] == "NVIDIA L4"
    other = plan_document(stamp(onnx_sha256="ee"), build)
    assert "checkpoint_sha256" not in other
    assert other["onnx_sha256"] == "ee"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document["engines"]["tensorrt"].update(stamp_version=2),
        lambda document: document["engines"]["tensorrt"].pop("gpu"),
        lambda document: document["engines"]["tensorrt"].update(unknown=1),
        lambda document: document.update(engines=[]),
    ],
)
def test_a_stamp_that_is_not_one_counts_as_none(tmp_path: Path, spoil: Any) -> None:
    document = plan_document(stamp(), {})
    spoil(document)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    assert read_stamp(path) is None
    path.write_text("{")
    assert read_stamp(path) is None
    assert read_stamp(tmp_path / "absent") is None
