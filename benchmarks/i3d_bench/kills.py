"""Is anything lost when processes are killed? The client, its workers and the server, at random.

    python -m i3d_bench.kills --kills 60 --out benchmarks/results/kills.json

Through the real Triton with a network that reads frame numbers, so slow that kills land in the
middle. Clients get SIGKILL, SIGINT or SIGTERM, workers and servers SIGKILL; a server is started
again on the same port, and the same command is given again until it has exit status 0. Then the
tables must be bit for bit those of an undisturbed run, and nothing may be left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from i3d_bench.machine import machine_facts
from i3d_bench.number_network import number_contract, numbered_picture, write_number_model
from i3d_client.shared_memory import dead_regions
from i3d_server.launcher import ServedRepository, serving
from i3d_server.triton_process import Ports

CONTRACT = number_contract(clip_frames=16, stride=1, windows=8)
_MODEL = "numbers"
_QUEUE_DELAY_US = 60_000
_VIDEOS = {"first.mp4": 1800, "second.mkv": 1101}
_WORKERS = 2
_SPAN_FRAMES = 96
_TARGETS = {"client": 4, "worker": 4, "server": 2}
_CLIENT_SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
_BETWEEN_S = (0.5, 5.0)
_ATTEMPTS = 200


def measure(*, kills: int, seed: int, frames: dict[str, int] | None = None) -> dict[str, Any]:
    """Kill, and compare what comes out in the end.

    Args:
        kills: at least; a round in which the last one falls is finished.
        seed: of targets and moments.
        frames: of each video, by name; None takes the benchmark's own.

    Returns:
        The document; ``identical`` says whether all rounds gave the tables of an undisturbed run.
    """
    frames = frames or _VIDEOS
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="i3d-kills-") as name:
        folder = Path(name)
        videos = [_write_video(folder / video, count) for video, count in frames.items()]
        write_number_model(folder / "repository", _MODEL, CONTRACT, queue_delay_us=_QUEUE_DELAY_US)
        with _Server(folder / "repository") as server:
            undisturbed = _Client(videos, folder / "undisturbed", server.address)
            status, said = undisturbed.finish()
            if status != 0:
                raise RuntimeError(f"the undisturbed run failed: {said}")
            expected = _digest(folder / "undisturbed")
            chance = random.Random(seed)  # noqa: S311 - no secret
            log: list[dict[str, Any]] = []
            rounds: list[str] = []
            commands = 0
            while len(log) < kills:
                out = folder / f"round {len(rounds)}"
                client = _Client(videos, out, server.address)
                commands += _one_round(client, server, chance, log, kills, sum(frames.values()))
                rounds.append(_digest(out))
            left = sorted(dead_regions())
    return {
        "what": "random kills of client, workers and server; the network reads frame numbers",
        "machine": machine_facts(),
        "seed": seed,
        "videos": frames,
        "workers": _WORKERS,
        "kills": len(log),
        "by_target": dict(Counter(f"{kill['target']} {kill['signal']}" for kill in log)),
        "commands_given": commands,
        "rounds": len(rounds),
        "digest_undisturbed": expected,
        "digests": rounds,
        "identical": all(digest == expected for digest in rounds),
        "shared_memory_left": left,
        "seconds": round(time.monotonic() - begun, 1),
        "log": log,
    }


def _one_round(
    client: _Client,
    server: _Server,
    chance: random.Random,
    log: list[dict[str, Any]],
    kills: int,
    num_frames: int,
) -> int:
    """Give the command until it has done everything; kill meanwhile. Return how often."""
    for attempt in range(1, _ATTEMPTS + 1):
        client.start()
        begun = time.monotonic()
        while client.lives_for(chance.uniform(*_BETWEEN_S)) and len(log) < kills:
            target = chance.choices([*_TARGETS], weights=[*_TARGETS.values()])[0]
            number = chance.choice(_CLIENT_SIGNALS) if target == "client" else signal.SIGKILL
            share = client.share_done(num_frames)
            pids = {"client": [client.pid], "worker": client.workers(), "server": [server.pid]}
            if not pids[target]:
                continue
            pid = chance.choice(pids[target])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                log.append(
                    {
                        "target": target,
                        "signal": number.name,
                        "after_s": round(time.monotonic() - begun, 2),
                        "share_done": round(share, 3),
                    }
                )
            if target == "server":
                server.restart()
        status, said = client.wait()
        if status == 0:
            return attempt
    raise RuntimeError(f"not done after {_ATTEMPTS} attempts: {said}")


class _Client:
    """The command, given again and again for one output folder."""

    def __init__(self, videos: list[Path], out: Path, server: str) -> None:
        self.out = out
        self._command = [sys.executable, "-m", "i3d_client", "classify", *map(str, videos)]
        self._command += ["--server", server, "--out", str(out), "--workers", str(_WORKERS)]
        self._command += ["--span-frames", str(_SPAN_FRAMES), "--no-report"]
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None  # noqa: S101 - it was started
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def lives_for(self, seconds: float) -> bool:
        """Wait so long, or until it has ended."""
        assert self._process is not None  # noqa: S101 - it was started
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is None

    def wait(self) -> tuple[int, str]:
        """Return exit status and messages."""
        assert self._process is not None  # noqa: S101 - it was started
        _, said = self._process.communicate(timeout=300)
        return self._process.returncode, said

    def finish(self) -> tuple[int, str]:
        """Run it to its end."""
        self.start()
        return self.wait()

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        found = []
        for listing in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(pid) for pid in listing.read_text().split()]
        return found

    def share_done(self, num_frames: int) -> float:
        """Return which share of all frames is in journals and tables."""
        done = 0
        advance = CONTRACT.windows_per_segment * CONTRACT.stride
        for folder in self.out.glob("*"):
            with contextlib.suppress(OSError, ValueError):
                if (folder / "run.json").is_file():
                    done += json.loads((folder / "run.json").read_text())["frames"]["decoded"]
                for span in (folder / ".journal").glob("*.npz"):
                    first, stop = map(int, span.stem.split("-"))
                    done += (stop - first) * advance
        return min(1.0, done / num_frames)


class _Server:
    """A Triton on a port that it keeps when it is started again."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._stack = contextlib.ExitStack()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]

    def __enter__(self) -> _Server:
        self._served = self._started()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @property
    def address(self) -> str:
        return self._served.triton.address

    @property
    def pid(self) -> int:
        """Of its supervisor, with which the kernel ends Triton."""
        return self._served.triton.process.pid

    def restart(self) -> None:
        """Start it again once what was killed is gone."""
        self._served.triton.process.wait()
        self._stack.close()
        self._served = self._started()

    def _started(self) -> ServedRepository:
        context = serving(self._repository, ports=Ports(grpc=self._port))
        return self._stack.enter_context(context)


def _write_video(path: Path, num_frames: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.gop_size = 50
        stream.codec_context.max_b_frames = 2
        for number in range(num_frames):
            picture = numbered_picture(number, width=64, height=64)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def _tables(out: Path) -> Iterator[Path]:
    yield from sorted(out.glob("*/*.csv"))


def _digest(out: Path) -> str:
    """Return the SHA-256 of all tables and their names."""
    digest = hashlib.sha256()
    for path in _tables(out):
        digest.update(str(path.relative_to(out)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Run as the module docstring says; exit status 1 if anything differs or is left behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    document = measure(kills=options.kills, seed=options.seed)
    options.out.write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(
        f"{document['kills']} kills in {document['rounds']} rounds, "
        f"identical: {document['identical']} → {options.out}\n"
    )
    return 0 if document["identical"] and not document["shared_memory_left"] else 1


if __name__ == "__main__":
    sys.exit(main())
