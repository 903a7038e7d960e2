"""What pipelines and bounds are called in tables and figures."""

from __future__ import annotations

from i3d_bench.bench.bench_results import ASYNCHRONOUS, SYNCHRONOUS, TENSORFLOW

PIPELINE_TEXT = {
    SYNCHRONOUS: "one process reads, asks and waits in turn (the paper's first snippet)",
    "parallel": "reading is mapped over the cores; reading and requests take turns",
    ASYNCHRONOUS: "this project: `i3d classify` as a user runs it, from its start to its exit",
    "tf_synchronous": "the paper's, in one process with TensorFlow",
    "tf_parallel": "the paper's, tf.data with parallel map",
    "tf_asynchronous": "the paper's, tf.data with parallel map and prefetch",
}

BOUND_TEXT = {
    "decoding": "the video decoded, no more",
    "preprocessing": "pictures in memory to the model's geometry",
    "loading": "both, with no network at all: the paper's lower bound",
    "inference": "the server alone, on segments from memory",
    "wire": "segments to a model that answers at once, through gRPC",
    "shared_memory": "the same through shared memory",
}


def pipeline_name(pipeline: str) -> str:
    """Return a pipeline's name as shown."""
    if pipeline.startswith(TENSORFLOW):
        return f"TensorFlow {pipeline.removeprefix(TENSORFLOW)}"
    return pipeline


def precision_name(precision: str) -> str:
    """Return a precision's name as shown."""
    return precision.upper()


def configuration_name(pipeline: str, precision: str) -> str:
    """Return the name of a pipeline at a precision, as shown."""
    return f"{pipeline_name(pipeline)}, {precision_name(precision)}"


def cores_text(cores: int) -> str:
    """Return ``1 core``, ``2 cores``."""
    return f"{cores} core" + ("" if cores == 1 else "s")
