"""Every graph that is meant for TensorRT, of both shipped profiles, through the plan builder.

TensorRT for RTX parses and builds them without a GPU; see docs/gpu.md for what that shows.
"""

from pathlib import Path

import pytest
from tests.export.shipped_models import every_precision
from tests.export.test_plans_builder import L4

from i3d_export.plan_builder import BuildLog, build_plan
from i3d_export.plan_stamp import PlanOptions
from i3d_export.triton_config import max_batch_size

trt = pytest.importorskip("tensorrt_rtx")
pytestmark = pytest.mark.full_size
GRAPH_STAGE = {"fp32": "onnx", "fp16": "fp16", "int8": "int8"}


@pytest.mark.parametrize("profile", ["kinetics400", "homecage9"])
def test_every_precision_of_a_shipped_profile_is_built(profile: str, tmp_path: Path) -> None:
    for model in every_precision(profile, tmp_path / "models").values():
        stage = GRAPH_STAGE[model.precision]
        graph = next(one for one in model.stages if one.name == stage).folder / "model.onnx"
        log = BuildLog()
        plan = build_plan(
            graph,
            trt=trt,
            gpu=L4,
            max_batch_size=max_batch_size(model.contract),
            options=PlanOptions(),
            timing_cache=tmp_path / "timings.bin",
            log=log,
        )
        assert plan.graph_precision == model.precision
        assert not log.errors
