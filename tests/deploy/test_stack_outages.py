"""What runs through a lab server ends with the bits of an undisturbed run, whatever dies meanwhile.

Real containers, killed by their processes' ids on this host: ``docker kill`` would switch the
restart policy off.

``I3D_OUTAGE_SECONDS`` is how long the outage lasts (20), ``I3D_OUTAGES_JSON`` a file for what was
seen: ``benchmarks/results/outages.json`` is that of an outage of 120 s.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.runs import kill, wait_until
from tests.deploy.docker_host import run
from tests.deploy.lab_server import VIDEOS, LabServer

from i3d_bench.machine import machine_facts

pytestmark = pytest.mark.deploy

OUTAGE_S = float(os.environ.get("I3D_OUTAGE_SECONDS", "20"))
RequireSame = Callable[[str, Callable[[], object]], None]


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, dict[str, Any]]]:
    """What is written down of each run."""
    runs: dict[str, dict[str, Any]] = {}
    yield runs
    if path := os.environ.get("I3D_OUTAGES_JSON"):
        document = {
            "what": "a lab's run while its server is killed, restarted and away, on real Docker; "
            "the network reads frame numbers; identical: the tables are the undisturbed run's",
            "machine": machine_facts(),
            "videos": VIDEOS,
            "outage_s": OUTAGE_S,
            "runs": runs,
            "identical": all(entry.get("identical", True) for entry in runs.values()),
        }
        Path(path).write_text(json.dumps(document, indent=2) + "\n")


@pytest.fixture(scope="module")
def require_same(lab_server: LabServer, seen: dict[str, dict[str, Any]]) -> RequireSame:
    """Return what runs a disturbed command and compares its tables with the undisturbed one's."""
    undisturbed, seconds = lab_server.classify("undisturbed")
    assert len(undisturbed) == 2 * len(VIDEOS)  # frames.csv and windows.csv of each
    seen["undisturbed"] = {"seconds": round(seconds, 1)}

    def require(name: str, disturb: Callable[[], object]) -> None:
        found, seconds = lab_server.classify(name, disturb, within_s=OUTAGE_S + 300)
        seen[name] = {"seconds": round(seconds, 1), "identical": found == undisturbed}
        assert found == undisturbed

    return require


def test_triton_is_killed(lab_server: LabServer, require_same: RequireSame) -> None:
    before = lab_server.state("triton")["RestartCount"]

    def disturb() -> None:
        kill(_child(lab_server.state("triton")["State"]["Pid"], "tritonserver"), signal.SIGKILL)

    require_same("triton killed", disturb)
    wait_until(lambda: lab_server.has_restarted("triton", before + 1))


def test_the_gateway_is_killed(lab_server: LabServer, require_same: RequireSame) -> None:
    before = lab_server.state("gateway")["RestartCount"]

    def disturb() -> None:
        kill(lab_server.state("gateway")["State"]["Pid"], signal.SIGKILL)

    require_same("gateway killed", disturb)
    wait_until(lambda: lab_server.has_restarted("gateway", before + 1))


def test_both_are_restarted(lab_server: LabServer, require_same: RequireSame) -> None:
    def disturb() -> None:
        for service in ("triton", "gateway"):
            run("docker", "restart", lab_server.checkout.container(service))

    require_same("docker restart", disturb)


def test_an_outage(
    lab_server: LabServer, require_same: RequireSame, seen: dict[str, dict[str, Any]]
) -> None:
    def disturb() -> None:
        containers = [lab_server.checkout.container(name) for name in ("triton", "gateway")]
        run("docker", "stop", *containers)
        time.sleep(OUTAGE_S)
        run("docker", "start", *containers)

    require_same("outage", disturb)
    assert seen["outage"]["seconds"] > OUTAGE_S


def _child(pid: int, program: str) -> int:
    """Return the process that a container's first process runs."""
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            if program in Path(f"/proc/{child}/comm").read_text():
                return child
    raise AssertionError(f"{program} does not run under process {pid}")
