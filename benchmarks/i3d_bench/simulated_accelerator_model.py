"""Triton model, Python backend: a SIMULATION of an accelerator. It computes nothing.

Triton runs this file; ``simulated_accelerator.py`` says what it is for and writes its
configuration. Two instances share one device (a lock on a file), as Triton's own accelerator
backends are run, so that the copy of one batch overlaps the execution of another and the device
is never idle while work is waiting.
"""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance of the simulated device."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the time a window takes and make the one answer that every window gets."""
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        self._seconds_per_window = float(parameters["seconds_per_window"])
        self._dims = {output["name"]: output["dims"] for output in config["output"]}
        self._windows = int(self._dims["PROBABILITIES"][0])
        self._device = (Path(args["model_repository"]) / "device.lock").open("a")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Hold the device for the time of all windows, then answer; frames are not looked at."""
        sizes = [
            pb_utils.get_input_tensor_by_name(request, "FRAMES").shape()[0] for request in requests
        ]
        fcntl.flock(self._device, fcntl.LOCK_EX)
        try:
            time.sleep(sum(sizes) * self._windows * self._seconds_per_window)
        finally:
            fcntl.flock(self._device, fcntl.LOCK_UN)
        return [
            self._answer(request, batch) for request, batch in zip(requests, sizes, strict=True)
        ]

    def _answer(self, request: Any, batch: int) -> Any:
        wanted = set(request.requested_output_names())
        tensors = []
        for name, dims in self._dims.items():
            if name not in wanted:
                continue
            values = np.zeros((batch, *dims), np.float32)
            if name == "PROBABILITIES":
                values[..., 0] = 1.0
            tensors.append(pb_utils.Tensor(name, values))
        return pb_utils.InferenceResponse(output_tensors=tensors)
