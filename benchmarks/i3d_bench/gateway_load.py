"""Do gateway and Triton bear 100 connections for minutes, without errors and without growing?

    python -m i3d_bench.gateway_load --out benchmarks/results/gateway_load.json [--seconds 300]

One load generator holds 100 gRPC connections with TLS, of five labs, and keeps asking on each; the
accelerator is SIMULATED. The labs want more in flight than their caps, so part of the requests is
refused with UNAVAILABLE, after which a connection waits a moment: that is back-off. Any other error
counts as one that a client sees, and so does an answer that is not what the simulation must say.

Memory is the resident set (VmRSS) of all nginx processes, and of Triton with its stubs, four times
a second: its mean in the last minute over that in the second one, when all has been used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as protocol

from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import MODEL_NAME, write_simulated_accelerator
from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES, ModelContract
from i3d_export.profiles import load_profile
from i3d_server.gateway import running_gateway
from i3d_server.labs import add_lab, init_labs
from i3d_server.triton_process import running_triton

CONNECTIONS = 100
ALLOWED_GROWTH = 1.05
_LABS = 5
_CAP = 8
_SECONDS_PER_SEGMENT = 0.04
_BACK_OFF_S = 0.5
_SAMPLED_EVERY_S = 0.25
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass
class Load:
    """What the load generator sends and what came of it.

    Attributes:
        request, expected: serialised request, and the content of its answer.
        answered, backed_off: requests.
        errors: every other end of a request, by what was said.
        longest_s: from a request to its answer.
    """

    request: bytes
    expected: bytes
    answered: int = 0
    backed_off: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0


def measure(
    *,
    seconds: float,
    connections: int = CONNECTIONS,
    contract: ModelContract | None = None,
    seconds_per_segment: float = _SECONDS_PER_SEGMENT,
) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        seconds: of load; memory is compared in fifths of it (a minute each, of 300).
        connections: of the load generator.
        contract: of the simulated model; None is that of ``homecage9``.
        seconds_per_segment: that the device takes.
    """
    facts = machine_facts()
    contract = contract or load_profile("homecage9").contract
    with tempfile.TemporaryDirectory(prefix="i3d-load-") as name:
        folder = Path(name)
        write_simulated_accelerator(
            folder / "repository",
            contract=contract,
            seconds_per_window=seconds_per_segment / contract.windows_per_segment,
        )
        labs = folder / "labs"
        init_labs(labs=labs)
        names = [f"lab-{number}" for number in range(_LABS)]
        for lab in names:
            add_lab(name=lab, labs=labs, in_flight=_CAP)
        with (
            running_triton(folder / "repository") as triton,
            running_gateway(
                labs_gateway=labs / "gateway", triton_servers=[triton.address]
            ) as gateway,
        ):
            load = _load(contract)
            channels = [
                partial(_channel, gateway.address, labs / names[number % _LABS])
                for number in range(connections)
            ]
            watched = {"gateway": gateway.pids, "triton": lambda: _below(triton.process.pid)}
            memory = asyncio.run(_run(load, channels, watched, seconds))
            alive = triton.process.poll() is None and gateway.process.poll() is None
    return {
        "what": "many connections for minutes; the accelerator is SIMULATED",
        "machine": facts,
        "connections": connections,
        "labs": _LABS,
        "cap": _CAP,
        "request_bytes": len(load.request),
        "seconds": seconds,
        "answered": load.answered,
        "answered_per_s": round(load.answered / seconds, 1),
        "backed_off": load.backed_off,
        "errors_seen": dict(load.errors),
        "longest_seconds_to_answer": round(load.longest_s, 2),
        "alive_at_the_end": alive,
        "memory": {name: _growth(samples, seconds) for name, samples in memory.items()},
        "allowed_last_over_second": ALLOWED_GROWTH,
    }


def _load(contract: ModelContract) -> Load:
    request = protocol.ModelInferRequest(model_name=MODEL_NAME)
    request.inputs.add(name=INPUT_FRAMES, datatype="UINT8", shape=[1, *contract.segment_shape])
    request.outputs.add(name=OUTPUT_PROBABILITIES)
    request.raw_input_contents.append(bytes(int(np.prod(contract.segment_shape))))
    expected = np.zeros((contract.windows_per_segment, len(contract.labels)), np.float32)
    expected[:, 0] = 1
    return Load(request=request.SerializeToString(), expected=expected.tobytes())


def _channel(address: str, lab: Path) -> grpc.aio.Channel:
    ca, key, certificate = (
        (lab / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt")
    )
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    return grpc.aio.secure_channel(address, credentials, _CHANNEL)


async def _run(
    load: Load,
    channels: Sequence[Callable[[], grpc.aio.Channel]],
    watched: dict[str, Callable[[], list[int]]],
    seconds: float,
) -> dict[str, list[float]]:
    """Load for a time; return the memory of what is watched, in MB, over time."""
    memory: dict[str, list[float]] = {name: [] for name in watched}
    ends = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for make in channels:
            group.create_task(_keep_asking(make, load, ends=ends))
        while time.monotonic() < ends:
            for name, pids in watched.items():
                memory[name].append(sum(_resident_mb(pid) for pid in pids()))
            await asyncio.sleep(_SAMPLED_EVERY_S)
    return memory


async def _keep_asking(make: Callable[[], grpc.aio.Channel], load: Load, *, ends: float) -> None:
    async with make() as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        while time.monotonic() < ends:
            begun = time.monotonic()
            try:
                answer = await infer(load.request, timeout=120)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE and "in flight" in str(
                    error.details()
                ):
                    load.backed_off += 1
                else:
                    load.errors[f"{error.code().name}: {error.details()}"] += 1
                await asyncio.sleep(_BACK_OFF_S)
                continue
            contents = protocol.ModelInferResponse.FromString(answer).raw_output_contents
            if list(contents) == [load.expected]:
                load.answered += 1
            else:
                load.errors["a wrong answer"] += 1
            load.longest_s = max(load.longest_s, time.monotonic() - begun)


def _growth(samples_mb: list[float], seconds: float) -> dict[str, Any]:
    """Compare the last fifth with the second one."""
    fifth = max(1, len(samples_mb) // 5)
    parts = [
        float(np.mean(samples_mb[number * fifth : (number + 1) * fifth])) for number in range(5)
    ]
    return {
        f"mb_in_each_{seconds / 5:.0f}_s": [round(part, 1) for part in parts],
        "peak_mb": round(max(samples_mb), 1),
        "last_over_second": round(parts[-1] / parts[1], 3),
    }


def _below(pid: int) -> list[int]:
    """Every process that ``pid`` started, and those that they did."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listing.read_text().split()):
                found += [child, *_below(child)]
    return found


def _resident_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
    return 0.0


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    figures = measure(seconds=options.seconds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
