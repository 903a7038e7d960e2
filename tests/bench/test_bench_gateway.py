"""``i3d bench`` of a lab, through the real gateway: what it may not see is said, and it goes on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from tests.bench.bench_runs import chosen, i3d_bench, read
from tests.conftest import MakeVideo
from tests.server.gateway_labs import Labs, needs_nginx
from tests.server.tiny_network import CONTRACT, write_tiny_model

from i3d_bench.simulated_accelerator import simulated_accelerator
from i3d_server.gateway import running_gateway
from i3d_server.launcher import embedded_server

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
    # Its last execution may be seen after the run's end, and be cut off there.
    assert 0.8 < computed_s / (32 * SECONDS_PER_WINDOW) < 2
    assert {what for *_, what in line["rows"][-1]["spans"]} == {"compute"}


def test_how_busy_a_cpu_server_is_cannot_be_seen(make_video: MakeVideo, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_tiny_model(tmp_path / "models", "tiny_fp32")
    with (
        embedded_server(repository=tmp_path / "models") as triton,
        gateway(tmp_path, triton) as named,
    ):
        done = i3d_bench(
            *(make_video(300), "--out", out, *named, "--cores", 1, "--windows", 16),
            *("--repeat", 1, "--model-base", "tiny", "--no-timelines"),
        )
    assert done.exit_code == 0, done.output
    document = read(out)
    assert {run["device_busy"] for run in document["runs"]} == {None}
    assert any("how busy the device is" in one for one in document["server"]["could_not_see"])
    assert document["server"]["max_batch_size"] == {"fp32": 4}


class _Refusing(grpc.GenericRpcHandler):
    """Passes every call on to a Triton but those for its statistics."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        passed_on = self._channel.unary_unary(details.method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if details.method.endswith("/ModelStatistics"):
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no statistics for labs")
            answered: bytes = passed_on(request)
            return answered

        return grpc.unary_unary_rpc_method_handler(answer)


def test_a_server_that_refuses_its_statistics_is_measured_all_the_same(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    video, out = make_video(200), tmp_path / "out"
    given = ["--out", out, "--cores", 1, "--windows", 16, "--repeat", 1]
    with (
        simulated_accelerator(
            contract=CONTRACT, seconds_per_window=SECONDS_PER_WINDOW, name="lab_simulated"
        ) as triton,
        grpc.insecure_channel(triton) as channel,
        ThreadPoolExecutor(8) as threads,
    ):
        server = grpc.server(threads, handlers=[_Refusing(channel)])
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            unnamed = i3d_bench(video, *given, "--server", address)
            named = ["--model-base", "lab", "--precision", "simulated"]
            done = i3d_bench(video, *given, "--server", address, *named)
        finally:
            server.stop(None).wait()
    assert "--model-base and --precision" in str(unnamed.exception)
    assert done.exit_code == 0, done.output
    document = read(out)
    assert len(document["runs"]) == 3
    assert {run["device_busy"] for run in document["runs"]} == {None}
    (said,) = [one for one in document["server"]["could_not_see"] if "busy" in one]
    assert "no statistics for labs" in said
    (line,) = chosen(document["timelines"], pipeline="synchronous")
    assert line["device_row"] == "SIMULATED device: requests at the server"


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
