"""From nothing to a classified video: the steps of docs/deployment.md, as they stand there."""

import csv
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.docker_host import Compose
from tests.deploy.project_copy import LET_IN_S, Checkout, copy_project
from tests.deploy.stand_ins import PROJECT

from i3d_bench.number_network import number_contract, write_number_model
from i3d_export.default_clips import clip

pytestmark = pytest.mark.deploy

_PAGE = (PROJECT / "docs" / "deployment.md").read_text()
_SECTION = _PAGE.split("\n## Without a GPU", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
STEPS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", _SECTION, flags=re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(params=["v1", "v2"])
def checkout(
    request: pytest.FixtureRequest,
    composes: dict[str, Compose],
    export_cache: Path,
    tmp_path: Path,
) -> Iterator[Checkout]:
    copy = copy_project(
        tmp_path / "i3d-triton", composes[request.param], EXPORT_CACHE=str(export_cache)
    )
    try:
        yield copy
    finally:
        copy.remove_containers()


def test_the_page_has_the_steps() -> None:
    commands = [" ".join(step.split()[:3]) for step in STEPS]
    assert [*dict.fromkeys(commands)] == [
        "docker compose -f",
        "i3d server up",
        "i3d labs add",
        "i3d classify mouse.mp4",
        "i3d server status",
        "i3d usage logs",
        "i3d server down",
    ]


def test_from_nothing_to_a_classified_video(checkout: Checkout) -> None:
    (checkout.folder / "mouse.mp4").write_bytes(clip("bigbuckbunny.mp4").read_bytes())
    said = {}
    for step in STEPS:
        said[step] = checkout.type(step, timeout_s=900).stdout
        if step.startswith("i3d labs add"):
            time.sleep(LET_IN_S)
    up = said["i3d server up --cpu"]
    assert "serving kinetics400_fp32" in up
    assert "address      127.0.0.1:8443" in up
    assert re.search(r"fingerprint  ([0-9A-F]{2}:){31}[0-9A-F]{2}$", up, flags=re.MULTILINE)
    with (checkout.folder / "results/mouse.mp4/windows.csv").open() as table:
        assert [row["label"] for row in csv.DictReader(table)] == ["feeding birds"] * 3
    assert "mouse-lab" in said["i3d usage logs"]
    assert re.search(r"^gateway +healthy$", said["i3d server status --cpu"], flags=re.MULTILINE)
    key = checkout.folder / "labs/gateway/server.key"
    assert (key.stat().st_mode & 0o777, key.stat().st_gid) == (0o640, 8443)
    assert checkout.type("i3d server status --cpu", check=False).returncode == 1  # it is down


def test_a_start_that_fails_names_the_service_and_shows_its_log(checkout: Checkout) -> None:
    done = checkout.type("i3d server up --cpu", check=False, timeout_s=900)
    assert done.returncode == 1
    assert "error: prepare failed (ended, exit status 1). The end of its log:" in done.stderr
    assert "holds no model" in done.stderr
    assert "i3d export kinetics400" in done.stderr


@pytest.mark.parametrize("checkout", ["v1"], indirect=True)
def test_a_model_that_is_not_verified_keeps_the_gateway_closed(checkout: Checkout) -> None:
    write_number_model(checkout.folder / "model_repository", "numbers", number_contract())
    done = checkout.type("i3d server up --cpu", check=False, timeout_s=900)
    assert done.returncode == 1
    assert "error: verify failed (ended, exit status 1)" in done.stderr
    assert "numbers: not verified (see above), so the gateway stays closed" in done.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 8443), timeout=5)


@pytest.mark.parametrize("checkout", ["v2"], indirect=True)
def test_a_triton_that_dies_again_and_again_ends_the_wait(checkout: Checkout) -> None:
    write_number_model(checkout.folder / "model_repository", "numbers", number_contract())
    (checkout.folder / "model_repository/numbers/1/model.xml").write_text("not a network")
    done = checkout.type("i3d server up --cpu", check=False, timeout_s=900)
    assert done.returncode == 1
    assert "error: triton failed (" in done.stderr
    assert "Docker starts it again and again, until `i3d server down`" in done.stderr
    assert "numbers: " in done.stderr
    assert "OpenVINO cannot load" in done.stderr
    assert "numbers" in checkout.type("i3d server logs triton").stdout
