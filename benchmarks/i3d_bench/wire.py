"""How many bytes cross the network for a frame, where every frame starts a window?

    python -m i3d_bench.wire --out benchmarks/results/wire.json

One ``i3d classify --transport grpc`` as a user runs it, with the contract of ``homecage9`` (16
frames a window, stride 1) behind the real Triton, reaches it through a relay on this host that
counts what it passes on. So the figure has everything in it that TCP carries: frames, the frames
that segments share, gRPC, HTTP/2 and the questions before the first request.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.contract import ModelContract
from i3d_export.profiles import load_profile

ALLOWED = 1.6
_LOOPED_FRAMES = 10_000
_BLOCK = 1 << 18


def measure() -> dict[str, Any]:
    """Run the benchmark and return its figures."""
    facts = machine_facts()
    contract = load_profile("homecage9").contract
    with (
        tempfile.TemporaryDirectory(prefix="i3d-wire-") as name,
        simulated_accelerator(contract=contract, seconds_per_window=0) as server,
    ):
        looped = Path(name) / "bikes_repeated.mp4"
        write_looped(clip("bikes.mp4"), looped, num_frames=_LOOPED_FRAMES)
        videos = [clip("bikes.mp4"), looped]
        found = {
            video.name: asyncio.run(bytes_of(video, server=server, contract=contract))
            for video in videos
        }
    return {
        "what": "bytes on the wire for a frame at stride 1; the accelerator is SIMULATED",
        "machine": facts,
        "model": {
            "profile": contract.profile,
            "segment_shape": list(contract.segment_shape),
            "stride": contract.stride,
            "windows_per_segment": contract.windows_per_segment,
        },
        "videos": found,
        "sent_over_frame": max(figures["sent_over_frame"] for figures in found.values()),
        "allowed_sent_over_frame": ALLOWED,
    }


async def bytes_of(video: Path, *, server: str, contract: ModelContract) -> dict[str, Any]:
    """Classify a video through a relay, and return what went through it."""
    with tempfile.TemporaryDirectory(prefix="i3d-wire-") as out:
        async with relay(server) as (address, passed):
            command = ["-m", "i3d_client", "classify", str(video), "--out", out]
            command += [
                "--server",
                address,
                "--model",
                MODEL_NAME,
                "--transport",
                "grpc",
                "--no-report",
            ]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"i3d classify failed: {said.decode()}")
        run = json.loads((Path(out) / video.name / "run.json").read_text())
    num_frames = run["frames"]["decoded"]
    frame_bytes = contract.height * contract.width * contract.channels
    return {
        "num_frames": num_frames,
        "frame_bytes": frame_bytes,
        "bytes_sent": passed.sent,
        "bytes_received": passed.received,
        "sent_over_frame": round(passed.sent / (num_frames * frame_bytes), 3),
        "received_bytes_per_frame": round(passed.received / num_frames, 1),
    }


@dataclass
class Passed:
    """Bytes from the client to the server, and back."""

    sent: int = 0
    received: int = 0


@contextlib.asynccontextmanager
async def relay(server: str) -> AsyncIterator[tuple[str, Passed]]:
    """Pass TCP connections on to ``server``; yield the relay's address and what it counts."""
    host, _, port = server.rpartition(":")
    passed = Passed()
    connections: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, there_writer, passed, "sent"))
                group.create_task(_pass(there_reader, writer, passed, "received"))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(connect(reader, writer))
        connections.add(task)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        number = listening.sockets[0].getsockname()[1]
        yield f"127.0.0.1:{number}", passed
    finally:
        listening.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: Passed, way: str
) -> None:
    try:
        while block := await reader.read(_BLOCK):
            setattr(passed, way, getattr(passed, way) + len(block))
            writer.write(block)
            await writer.drain()
    finally:
        writer.close()


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    figures = measure()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
