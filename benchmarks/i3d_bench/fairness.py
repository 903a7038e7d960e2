"""Does a lab keep its share of the server while another one floods it?

    python -m i3d_bench.fairness --out benchmarks/results/fairness.json [--seconds 15]

Two labs with equal caps send to one SIMULATED accelerator through the real gateway and the real
Triton. Lab A wants more in flight than its cap (32) and asks again 50 ms after it was refused,
sooner than this project's client does. Lab B keeps its cap full. Either alone keeps the device busy
all the time, so B's fair share is half of what it gets alone. Then the same without caps: what A
takes then is what the caps are for. Then with caps, and A gives up each request after 150 ms and
asks again at once, which frees its place at the gateway.

Queues and batches are those that ``i3d export`` writes for a GPU: batches of 2, as homecage9's, and
of 8, as kinetics400's. Triton drops cancelled requests from its queue, but not from a batch that an
instance has taken: a lab that gives up may have its cap in each of the two.

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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import service_pb2 as protocol
from tritonclient.grpc.model_config_pb2 import ModelConfig

from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import MODEL_NAME, write_simulated_accelerator
from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES, ModelContract
from i3d_export.profiles import load_profile
from i3d_export.triton_config import gpu_config
from i3d_server.gateway import running_gateway
from i3d_server.labs import add_lab, init_labs
from i3d_server.triton_process import running_triton

CAP = 8
A_WANTS = 32
ALLOWED_SHARE = 0.45
SATURATED = 0.9
_INFER = "/inference.GRPCInferenceService/ModelInfer"
# A rate that clients, gateway and Triton keep up with on two cores, for requests of 2.3 MB.
_SECONDS_PER_SEGMENT = 0.04
_WARM_UP_S = 2.0
_BACK_OFF_S = 0.05
_PATIENCE_S = 60.0
_GIVES_UP_S = 0.15
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one comparison is of.

    Attributes:
        cap: on each lab's requests in flight; None leaves the caps out.
        queue_of: the profile whose batches and queue it is.
        a_patience_s: after which lab A gives up a request.
    """

    cap: int | None = CAP
    queue_of: str = "homecage9"
    a_patience_s: float = _PATIENCE_S


RUNS = {
    "capped": Run(),
    "uncapped": Run(cap=None),
    "cancelling": Run(a_patience_s=_GIVES_UP_S),
    "cancelling_batches_of_8": Run(a_patience_s=_GIVES_UP_S, queue_of="kinetics400"),
}


@dataclass
class Lab:
    """One lab's program: so many requests in flight as it wants.

    Attributes:
        name: of the lab, and of its folder.
        wants: requests that it tries to have in flight.
        patience_s: after which it gives up a request.
        answered, refused, given_up: since counting began.
        late_s: of each answered request, how long it took.
    """

    name: str
    wants: int
    patience_s: float = _PATIENCE_S
    answered: int = 0
    refused: int = 0
    given_up: int = 0
    late_s: list[float] = field(default_factory=list)

    def figures(self, seconds: float) -> dict[str, Any]:
        """What it got in ``seconds``."""
        return {
            "in_flight_wanted": self.wants,
            "answered_per_s": round(self.answered / seconds, 2),
            "refused_per_s": round(self.refused / seconds, 2),
            "given_up_per_s": round(self.given_up / seconds, 2),
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
    runs: Iterable[str] = RUNS,
) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        seconds: that each of the runs is counted.
        contract: of the simulated model; None is that of ``homecage9``.
        seconds_per_segment: that the device takes.
        runs: of ``RUNS``.

    Raises:
        RuntimeError: an answer was wrong, or a lab alone does not saturate the device, so that
            the shares would mean nothing.
    """
    facts = machine_facts()
    contract = contract or load_profile("homecage9").contract
    device_per_s = 1 / seconds_per_segment
    found = {
        name: _compare(RUNS[name], contract, seconds, seconds_per_segment=seconds_per_segment)
        for name in runs
    }
    for name, run in found.items():
        for lab in ("a_alone", "b_alone"):
            if lab in run and run[lab]["answered_per_s"] < SATURATED * device_per_s:
                raise RuntimeError(
                    f"{name}, {lab}: answered {run[lab]['answered_per_s']} times a second, which "
                    f"does not saturate the device ({device_per_s:.0f}): is this machine busy?"
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
    run: Run, contract: ModelContract, seconds: float, *, seconds_per_segment: float
) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="i3d-fairness-") as name,
        _accelerator(Path(name) / "repository", run, contract, seconds_per_segment) as triton,
        _gateway(Path(name) / "labs", triton, cap=run.cap) as address,
    ):
        server = Server(address=address, labs=Path(name) / "labs", request=_request(contract))
        figures = asyncio.run(_alone_and_together(server, run, contract, seconds))
    share = figures["b_beside_a"]["answered_per_s"] / figures["b_alone"]["answered_per_s"]
    return {**figures, "b_beside_a_over_alone": round(share, 3)}


async def _alone_and_together(
    server: Server, run: Run, contract: ModelContract, seconds: float
) -> dict[str, dict[str, Any]]:
    await _verify(server, contract)
    figures = {}
    if run.a_patience_s == _PATIENCE_S:  # of one that gives up nothing is answered
        (figures["a_alone"],) = await _run(server, [Lab("lab-a", A_WANTS)], seconds)
    (figures["b_alone"],) = await _run(server, [Lab("lab-b", CAP)], seconds)
    labs = [Lab("lab-a", A_WANTS, run.a_patience_s), Lab("lab-b", CAP)]
    figures["a_beside_b"], figures["b_beside_a"] = await _run(server, labs, seconds)
    return figures


@contextmanager
def _accelerator(
    repository: Path, run: Run, contract: ModelContract, seconds_per_segment: float
) -> Iterator[str]:
    """Serve the simulation behind the queue that a real model has."""
    real = text_format.Parse(
        gpu_config(MODEL_NAME, load_profile(run.queue_of).contract), ModelConfig()
    )
    write_simulated_accelerator(
        repository,
        contract=contract,
        seconds_per_window=seconds_per_segment / contract.windows_per_segment,
        max_batch_size=real.max_batch_size,
    )
    path = repository / MODEL_NAME / "config.pbtxt"
    config = text_format.Parse(path.read_text(), ModelConfig())
    config.dynamic_batching.CopyFrom(real.dynamic_batching)
    path.write_text(text_format.MessageToString(config))
    with running_triton(repository, temporary_folders=[repository]) as triton:
        yield triton.address


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
        lab.answered = lab.refused = lab.given_up = 0
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
            await infer(request, timeout=lab.patience_s)
        except grpc.aio.AioRpcError as error:
            match error.code():
                case grpc.StatusCode.UNAVAILABLE:
                    lab.refused += 1
                    await asyncio.sleep(_BACK_OFF_S)
                case grpc.StatusCode.DEADLINE_EXCEEDED if lab.patience_s < _PATIENCE_S:
                    lab.given_up += 1
                case _:
                    raise
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
