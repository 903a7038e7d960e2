"""The precisions a model comes in, and what OpenVINO is told to execute each of them in."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# The first that the processor has. Processors differ: FP16 needs AVX512-FP16 or AMX, BF16
# AVX512-BF16 or AMX, and one without either executes the FP16 model in FP32, which is said. What
# an INT8 graph leaves in float is executed in FP32.
OPENVINO_EXECUTION: dict[Precision, str] = {
    "fp32": "f32",
    "fp16": "f16,bf16,f32",
    "int8": "f32",
}
