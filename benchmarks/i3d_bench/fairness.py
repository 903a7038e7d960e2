"""Does a lab keep its share of the server while another one floods it?

    python -m i3d_bench.fairness --out benchmarks/results/fairness.json [--seconds 15]

Two labs with equal caps send to one SIMULATED accelerator through the real gateway and the real
Triton. Lab A wants more in flight than its cap (32) and asks again 50 ms after it was refused,
sooner than this project's client does. Lab B keeps its cap full. Either alone keeps the device busy
all the time, so B's fair share is half of what it gets alone. Then the same without caps: what A
takes then is what the caps are for.

Before anything is timed, an answer is compared with what the simulation must say, and each lab
alone must reach the device's own rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as protocol

from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES, ModelContract
from i3d_export.profiles import load_profile
from i3d_server.gateway import running_gateway
from i3d_server.labs import add_lab, init_labs

CAP = 8
A_WANTS = 32
ALLOWED_SHARE = 0.45
SATURATED = 0.9
_INFER = "/inference.GRPCInferenceService/ModelInfer"
_MAX_BATCH = 2
# A rate that clients, gateway and Triton keep up with on two cores, for requests of 2.3 MB.
_SECONDS_PER_SEGMENT = 0.04
_WARM_UP_S = 2.0
_BACK_OFF_S = 0.05
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass
class Lab:
    """One lab's program: so many requests in flight as it wants.

    Attributes:
        name: of the lab, and of its folder.
        wants: requests that it tries to have in flight.
        answered, refused: since counting began.
        late_s: of each answered request, how long it took.
    """

    name: str
    wants: int
    answered: int = 0
    refused: int = 0
    late_s: list[float] = field(default_factory=list)

    def figures(self, seconds: float) -> dict[str, Any]:
        """What it got in ``seconds``."""
        return {
            "in_flight_wanted": self.wants,
            "answered_per_s": round(self.answered / seconds, 2),
            "refused_per_s": round(self.refused / seconds, 2),
            "median_seconds_to_answer": round(float(np.median(self.late_s or [0])), 3),
        }


@dataclass(frozen=True, kw_only=True)
class Server:
    """The gateway and how labs reach it."""

    address: str
    labs: Path
    request: bytes

    def channel(self, lab: str) -> grpc.aio.Channel:
        """Return a connection with the lab's certificate."""
        ca, key, certificate = (
            (self.labs / lab / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt")
        )
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        return grpc.aio.secure_channel(self.address, credentials, _CHANNEL)


def measure(
    *,
    seconds: float,
    contract: ModelContract | None = None,
    seconds_per_segment: float = _SECONDS_PER_SEGMENT,
) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        seconds: that each of the runs is counted.
        contract: of the simulated model; None is that of ``homecage9``.
        seconds_per_segment: that the device takes.

    Raises:
        RuntimeError: an answer was wrong, or a lab alone does not saturate the device, so that
            the shares would mean nothing.
    """
    facts = machine_facts()
    contract = contract or load_profile("homecage9").contract
    device_per_s = 1 / seconds_per_segment
    with (
        tempfile.TemporaryDirectory(prefix="i3d-fairness-") as folder,
        simulated_accelerator(
            contract=contract,
            seconds_per_window=seconds_per_segment / contract.windows_per_segment,
            max_batch_size=_MAX_BATCH,
        ) as triton,
    ):
        found = {
            name: _compare(Path(folder) / name, triton, contract, seconds, cap=cap)
            for name, cap in (("capped", CAP), ("uncapped", None))
        }
    for name, run in found.items():
        for lab in ("a", "b"):
            if run[f"{lab}_alone"]["answered_per_s"] < SATURATED * device_per_s:
                raise RuntimeError(
                    f"{name}: lab {lab} alone is answered "
                    f"{run[f'{lab}_alone']['answered_per_s']} times a second and does not saturate "
                    f"the device ({device_per_s:.0f}): is this machine busy?"
                )
    return {
        "what": "two labs on one server; the accelerator is SIMULATED",
        "machine": facts,
        "cap": CAP,
        "request_bytes": int(np.prod(contract.segment_shape)),
        "device_answers_per_s": device_per_s,
        "seconds_counted": seconds,
        **found,
        "b_share_wanted": ALLOWED_SHARE,
    }


def _compare(
    folder: Path, triton: str, contract: ModelContract, seconds: float, *, cap: int | None
) -> dict[str, Any]:
    with _gateway(folder, triton, cap=cap) as address:
        server = Server(address=address, labs=folder, request=_request(contract))
        alone, together = asyncio.run(_alone_and_together(server, contract, seconds))
    share = together[1]["answered_per_s"] / alone["b"]["answered_per_s"]
    return {
        "a_alone": alone["a"],
        "b_alone": alone["b"],
        "a_beside_b": together[0],
        "b_beside_a": together[1],
        "b_beside_a_over_alone": round(share, 3),
    }


async def _alone_and_together(
    server: Server, contract: ModelContract, seconds: float
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    await _verify(server, contract)
    alone = {
        name: (await _run(server, [Lab(f"lab-{name}", wants)], seconds))[0]
        for name, wants in (("a", A_WANTS), ("b", CAP))
    }
    return alone, await _run(server, [Lab("lab-a", A_WANTS), Lab("lab-b", CAP)], seconds)


@contextmanager
def _gateway(labs: Path, triton: str, *, cap: int | None) -> Iterator[str]:
    init_labs(labs=labs)
    for name in ("lab-a", "lab-b"):
        add_lab(name=name, labs=labs, in_flight=cap or CAP)
    if cap is None:
        (labs / "gateway" / "caps_limits.conf").write_text("")
    with running_gateway(labs_gateway=labs / "gateway", triton_servers=[triton]) as gateway:
        yield gateway.address


def _request(contract: ModelContract) -> bytes:
    request = protocol.ModelInferRequest(model_name=MODEL_NAME)
    request.inputs.add(name=INPUT_FRAMES, datatype="UINT8", shape=[1, *contract.segment_shape])
    request.outputs.add(name=OUTPUT_PROBABILITIES)
    request.raw_input_contents.append(bytes(int(np.prod(contract.segment_shape))))
    content: bytes = request.SerializeToString()
    return content


async def _verify(server: Server, contract: ModelContract) -> None:
    async with server.channel("lab-b") as channel:
        answer = await channel.unary_unary(_INFER)(server.request, timeout=30)
    (content,) = protocol.ModelInferResponse.FromString(answer).raw_output_contents
    expected = np.zeros((contract.windows_per_segment, len(contract.labels)), np.float32)
    expected[:, 0] = 1
    if content != expected.tobytes():
        raise RuntimeError("the simulation's answer is not what it must be")


async def _run(server: Server, labs: list[Lab], seconds: float) -> list[dict[str, Any]]:
    """Let the labs send, and count when they have all been at it for a while."""
    tasks = [
        asyncio.create_task(_keep_asking(server, lab, number))
        for lab in labs
        for number in range(2)
    ]
    await asyncio.sleep(_WARM_UP_S)
    for lab in labs:
        lab.answered = lab.refused = 0
        lab.late_s.clear()
    begun = time.monotonic()
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    counted_s = time.monotonic() - begun
    figures = [lab.figures(counted_s) for lab in labs]
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(end, Exception):
            raise end
    return figures


async def _keep_asking(server: Server, lab: Lab, connection: int) -> None:
    """Keep one connection's half of what the lab wants in flight."""
    async with server.channel(lab.name) as channel, asyncio.TaskGroup() as group:
        infer = channel.unary_unary(_INFER)
        for _ in range(connection, lab.wants, 2):
            group.create_task(_ask_again_and_again(infer, lab, server.request))


async def _ask_again_and_again(infer: Any, lab: Lab, request: bytes) -> None:
    while True:
        begun = time.monotonic()
        try:
            await infer(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            lab.refused += 1
            await asyncio.sleep(_BACK_OFF_S)
        else:
            lab.answered += 1
            lab.late_s.append(time.monotonic() - begun)


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    figures = measure(seconds=options.seconds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
