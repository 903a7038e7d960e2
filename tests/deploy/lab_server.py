"""A running stack whose model reads frame numbers, so slowly that a run can be disturbed."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.client.runs import running, spans_in, tables, wait_until
from tests.conftest import write_video
from tests.deploy.docker_host import Compose, run
from tests.deploy.project_copy import LET_IN_S, Checkout, copy_project

from i3d_bench.number_network import number_contract, write_number_model

LAB = "mouse-lab"
VIDEOS = {"first.mp4": 1200, "second.mkv": 605}
_CONTRACT = number_contract(clip_frames=16, stride=1, windows=8)
_QUEUE_DELAY_US = 150_000
_SPANS = 4  # done before the server is disturbed


@dataclass(frozen=True, kw_only=True)
class LabServer:
    """A stack that runs, and what a lab has from it."""

    checkout: Checkout
    videos: list[Path]

    @property
    def project(self) -> str:
        """Compose's name of it, which its networks begin with."""
        return self.checkout.folder.name

    def state(self, service: str) -> dict[str, Any]:
        said = run("docker", "inspect", self.checkout.container(service)).stdout
        return dict(json.loads(said)[0])

    def has_restarted(self, service: str, times: int) -> bool:
        state = self.state(service)
        return state["RestartCount"] == times and state["State"]["Health"]["Status"] == "healthy"

    def classify(
        self, name: str, disturb: Callable[[], object] | None = None, *, within_s: float = 300
    ) -> tuple[dict[str, bytes], float]:
        """Run a lab's command and disturb the server in the middle; return tables and seconds."""
        out = self.checkout.folder / name
        begun = time.monotonic()
        credentials = self.checkout.folder / "labs" / LAB
        options = ("--credentials", credentials, "--workers", 1, "--span-frames", 96)
        with running(*self.videos, *options, "--out", out) as client:
            if disturb is not None:
                wait_until(lambda: len(spans_in(out)) >= _SPANS or client.poll() is not None)
                assert client.poll() is None, "the run ended before it could be disturbed"
                disturb()
                assert client.poll() is None, "the run ended while the server was disturbed"
            _, said = client.communicate(timeout=within_s)
        assert client.returncode == 0, said
        return tables(out), time.monotonic() - begun


@contextmanager
def running_lab_server(compose: Compose, folder: Path) -> Iterator[LabServer]:
    """Start the CPU stack in a copy of the project in ``folder``, with one lab."""
    checkout = copy_project(folder, compose, VERIFY_WINDOWS="0")
    write_number_model(
        folder / "model_repository", "numbers", _CONTRACT, queue_delay_us=_QUEUE_DELAY_US
    )
    videos = [
        write_video(folder / name, frames, width=64, height=64, gop=50, b_frames=2)
        for name, frames in VIDEOS.items()
    ]
    try:
        checkout.type("i3d server up --cpu", timeout_s=900)
        checkout.type(f"i3d labs add {LAB}")
        time.sleep(LET_IN_S)
        yield LabServer(checkout=checkout, videos=videos)
    finally:
        checkout.remove_containers()
