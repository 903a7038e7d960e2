"""A SIMULATION of an accelerator behind the real Triton; no figure of it is one of a GPU.

A Triton model with the tensors and the contract of a real one, which answers after a set time a
window and uses no CPU: it sleeps, does not look at the frames, and gives every window the first
label. It stands for a device of a known speed, so that a benchmark can say how well a client
keeps such a device busy. What is real: the client, gRPC, Triton's queue, batcher and copies.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from i3d_client.contract import (
    BUILD_PARAMETER,
    FEATURE_SIZE,
    INPUT_FRAMES,
    OUTPUT_FEATURES,
    OUTPUT_PROBABILITIES,
    PARAMETER,
    ModelContract,
)
from i3d_server.triton_process import running_triton

MODEL_NAME = "simulated_accelerator"
_MODEL_FILE = Path(__file__).with_name("simulated_accelerator_model.py")


@contextlib.contextmanager
def simulated_accelerator(
    *,
    contract: ModelContract,
    seconds_per_window: float,
    max_batch_size: int = 8,
    name: str = MODEL_NAME,
) -> Iterator[str]:
    """Serve the simulation until the context ends; yield Triton's gRPC address.

    Args:
        contract: what the model says about its input and output.
        seconds_per_window: the device's time; a batch takes its windows times this.
        max_batch_size: segments that Triton may put into one batch.
        name: of the model.

    Raises:
        I3dError: Triton cannot run here or did not start.
    """
    with tempfile.TemporaryDirectory(prefix="i3d-simulation-") as folder:
        write_simulated_accelerator(
            Path(folder),
            contract=contract,
            seconds_per_window=seconds_per_window,
            max_batch_size=max_batch_size,
            name=name,
        )
        with running_triton(Path(folder), temporary_folders=[Path(folder)]) as triton:
            yield triton.address


def write_simulated_accelerator(
    repository: Path,
    *,
    contract: ModelContract,
    seconds_per_window: float,
    max_batch_size: int = 8,
    name: str = MODEL_NAME,
) -> None:
    """Write the simulation into ``repository`` as the Triton model ``name``."""
    if not seconds_per_window >= 0:
        raise ValueError(f"seconds_per_window: expected 0 or more, got {seconds_per_window}")
    version = repository / name / "1"
    version.mkdir(parents=True)
    shutil.copyfile(_MODEL_FILE, version / "model.py")
    config = ModelConfig(name=name, backend="python", max_batch_size=max_batch_size)
    config.input.add(name=INPUT_FRAMES, data_type="TYPE_UINT8", dims=contract.segment_shape)
    windows = contract.windows_per_segment
    sizes = {OUTPUT_PROBABILITIES: len(contract.labels), OUTPUT_FEATURES: FEATURE_SIZE}
    for output, size in sizes.items():
        config.output.add(name=output, data_type="TYPE_FP32", dims=(windows, size))
    config.dynamic_batching.SetInParent()
    config.instance_group.add(count=2, kind="KIND_CPU")
    config.parameters[PARAMETER].string_value = contract.to_json()
    config.parameters[BUILD_PARAMETER].string_value = '{"engine":"simulation","precision":"none"}'
    config.parameters["seconds_per_window"].string_value = repr(seconds_per_window)
    (repository / name / "config.pbtxt").write_text(text_format.MessageToString(config))
