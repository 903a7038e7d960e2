"""The page of figures: made from JSON files that commands wrote, and from nothing else."""

import json
import shutil
from pathlib import Path

import numpy as np
from tests.server.tiny_network import CONTRACT

from i3d_bench.precisions import page_of, record_verifications
from i3d_export.agreement import LEAST_AGREEMENT, LEAST_DECIDED_WINDOWS
from i3d_export.gate import judge_answers

RESULTS = Path(__file__).parents[2] / "benchmarks/results"


def test_the_page_of_figures_is_the_benchmarks() -> None:
    assert (RESULTS.parents[1] / "docs/precisions.md").read_text() == page_of(RESULTS), (
        "run python -m i3d_bench.precisions --table docs/precisions.md"
    )
    comparisons = json.loads((RESULTS / "agreement.json").read_text())["comparisons"]
    found = {(one["model"], one["engine"]) for one in comparisons}
    assert {("kinetics400_int8", engine) for engine in ("openvino", "tensorrt")} <= found
    for one in comparisons:
        if one["figures"]["decided_windows"] >= LEAST_DECIDED_WINDOWS:
            assert one["figures"]["decided_agreement"] >= LEAST_AGREEMENT
            assert (one["verdict"], one["forced"]) == ("passed", False)


def write_record(repository: Path, *, right: int) -> None:
    """Place a record of ten windows, of which a model answers the first ``right`` like FP32."""
    reference = np.tile(np.eye(len(CONTRACT.labels), dtype=np.float32)[0], (10, 1))
    candidate = reference.copy()
    candidate[right:] = candidate[right:, ::-1]
    judged = judge_answers(
        reference, candidate, model="m_int8", engine="openvino", contract=CONTRACT,
        executed={"executed_by": "OpenVINO 1", "processor": "P (FP32)", "layers": {"u8": 57}},
        evidence={"videos": [{"name": "mouse.mp4", "sha256": "0", "frames": [[0, 80]]}]},
    )  # fmt: skip
    folder = repository / "m_int8" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verification.openvino.json").write_text(json.dumps(judged.document()))


def test_a_later_comparison_on_the_same_videos_replaces_the_earlier(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    shutil.copy(RESULTS / "precisions-vnni.json", results)
    for right in (10, 7):
        write_record(tmp_path / "models", right=right)
        record_verifications(tmp_path / "models", results / "agreement.json")
    (kept,) = json.loads((results / "agreement.json").read_text())["comparisons"]
    assert kept["figures"]["agreeing"] == 7
    page = page_of(results)
    assert "### mouse.mp4" in page
    assert "57 layers u8 | 7 of 10 (70.0%) | 7 of 10 |" in page
    assert "| insufficient evidence |" in page
    assert f"| {CONTRACT.labels[0]} | 7 / 10 (7 / 10) |" in page
