"""``i3d bench`` of a lab, through the real gateway: what it may not see is said, and it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.bench.bench_runs import chosen, i3d_bench, read
from tests.conftest import MakeVideo
from tests.server.gateway_labs import Labs, needs_nginx
from tests.server.tiny_network import CONTRACT

from i3d_bench.simulated_accelerator import simulated_accelerator
from i3d_server.gateway import running_gateway
from i3d_server.launcher import ServedRepository

pytestmark = needs_nginx
SECONDS_PER_WINDOW = 0.004


@contextmanager
def gateway(folder: Path, triton: str) -> Iterator[list[object]]:
    """What a lab names to reach a Triton through the gateway."""
    labs = Labs(folder / "labs")
    credentials = labs.add("mice").ca.parent
    with running_gateway(labs_gateway=labs.gateway, triton_servers=[triton]) as running:
        yield ["--server", running.address, "--credentials", credentials]


def test_a_lab_measures_a_server_that_it_does_not_run(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with (
        simulated_accelerator(
            contract=CONTRACT, seconds_per_window=SECONDS_PER_WINDOW, name="lab_simulated"
        ) as triton,
        gateway(tmp_path, triton) as named,
    ):
        done = i3d_bench(
            make_video(300), "--out", out, *named, "--cores", 1, "--windows", 32, "--repeat", 2
        )
    assert done.exit_code == 0, done.output
    document = read(out)
    assert document["simulated"]
    assert not document["server"]["embedded"]
    assert document["server"]["version"].startswith("triton 2.")  # the gateway lets it through
    missing = " ".join(document["server"]["could_not_see"])
    assert "wire alone" in missing
    assert "the server's machine" in missing
    assert "metrics" in missing
    assert {b["bound"] for b in document["bounds"]} == {
        *("decoding", "preprocessing", "loading", "inference")
    }
    for pipeline in ("synchronous", "parallel", "asynchronous"):
        (run,) = chosen(document["runs"], pipeline=pipeline)
        # The device is busy for a set time a window, whoever asks and however long that takes.
        busy_s = [run["device_busy"] * seconds for seconds in run["seconds"]]
        assert min(busy_s) <= 32 * SECONDS_PER_WINDOW * 1.01
        assert max(busy_s) >= 32 * SECONDS_PER_WINDOW * 0.99
    (line,) = chosen(document["timelines"], pipeline="synchronous")
    assert line["device_row"] == "SIMULATED device: executions, from the server's statistics"
    computed_s = sum(stop - start for start, stop, _ in line["rows"][-1]["spans"])
    assert 0.95 < computed_s / (32 * SECONDS_PER_WINDOW) < 2
    assert {what for *_, what in line["rows"][-1]["spans"]} == {"compute"}


def test_how_busy_a_cpu_server_is_cannot_be_seen(
    make_video: MakeVideo, tmp_path: Path, tiny_server: ServedRepository
) -> None:
    out = tmp_path / "out"
    with gateway(tmp_path, tiny_server.triton.address) as named:
        done = i3d_bench(
            *(make_video(300), "--out", out, *named, "--cores", 1, "--windows", 16),
            *("--repeat", 1, "--model-base", "tiny", "--no-timelines"),
        )
    assert done.exit_code == 0, done.output
    document = read(out)
    assert {run["device_busy"] for run in document["runs"]} == {None}
    assert any("how busy the device is" in one for one in document["server"]["could_not_see"])
    assert document["server"]["max_batch_size"] == {"fp32": 4}


def test_a_certificate_is_needed(make_video: MakeVideo, tmp_path: Path) -> None:
    with (
        simulated_accelerator(contract=CONTRACT, seconds_per_window=0) as triton,
        gateway(tmp_path, triton) as named,
    ):
        done = i3d_bench(make_video(40), "--out", tmp_path / "out", *named[:2])
    assert done.exit_code == 1
    assert done.exception is not None
    assert "--credentials FOLDER" in str(done.exception)
    assert not (tmp_path / "out" / "bench.json").exists()


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRepository]:
    from tests.server.tiny_network import write_tiny_model

    from i3d_server.launcher import serving

    repository = tmp_path_factory.mktemp("repository")
    write_tiny_model(repository, "tiny_fp32")
    with serving(repository) as served:
        yield served
