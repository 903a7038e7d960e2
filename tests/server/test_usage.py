"""``i3d usage``: labs add up to totals, and what is estimated follows Triton's real statistics."""

import csv
import io
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.server.logged_requests import DENIED, NO_CERTIFICATE, REJECTED, log_line
from tests.server.tiny_network import CONTRACT, random_segments
from tritonclient import grpc

from i3d_bench.simulated_accelerator import MODEL_NAME, write_simulated_accelerator
from i3d_client.errors import InputError, ServerUnavailableError
from i3d_server.gateway_log import OUTCOMES, parse_line
from i3d_server.triton_process import running_triton
from i3d_server.usage import GROUPINGS, Grouping, Usage, summarise_usage
from i3d_server.usage_cli import usage
from i3d_server.usage_report import usage_as_table
from i3d_server.usage_statistics import (
    MeanRequest,
    mean_request_from_file,
    mean_request_from_server,
)

MEAN = MeanRequest(requests=10, windows=2.0, device_seconds=0.5)


def random_log(count: int = 400) -> list[str]:
    chance = random.Random(5)  # noqa: S311 - not for secrets
    kinds: list[dict[str, Any]] = [{}, {}, {}, REJECTED, DENIED, {"grpc_status": "3"}]
    return [
        log_line(
            **{
                "lab": chance.choice(["alpha", "beta", "gamma"]),
                "time": f"2026-03-0{chance.randrange(2, 6)}T09:00:00+00:00",
                "bytes_in": chance.randrange(10**7),
                "seconds": chance.random(),
                **chance.choice([*kinds, NO_CERTIFICATE]),
            }
        )
        for _ in range(count)
    ]


def summarise(lines: list[str], *, by: tuple[Grouping, ...] = GROUPINGS) -> Usage:
    requests = [parse_line(line.encode()) for line in lines]
    return summarise_usage(requests, by=by, mean=MEAN, price_per_gpu_hour=3.0)


def statistics_file(path: Path, *, requests: int, inferences: int, ns: int) -> Path:
    """As Triton's HTTP endpoint answers; a batch counts once in batch_stats."""
    model = {
        "name": MODEL_NAME,
        "inference_count": inferences,
        "inference_stats": {"success": {"count": requests, "ns": 99 * ns}},
        "batch_stats": [
            {"batch_size": 4, "compute_infer": {"count": 1, "ns": ns // 2}},
            {
                "batch_size": 8,
                "compute_input": {"count": 1, "ns": ns // 4},
                "compute_output": {"count": 1, "ns": ns // 4},
            },
        ],
    }
    unused = {"name": "never_used", "inference_stats": {"success": {"count": 0}}}
    path.write_text(json.dumps({"model_stats": [model, unused]}))
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    write_simulated_accelerator(folder, contract=CONTRACT, seconds_per_window=0.004)
    return folder


def run_usage(*arguments: object) -> Result:
    result = CliRunner().invoke(usage, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("by", [("day", "lab"), ("day",), ("lab",)])
def test_rows_add_up_to_the_total(by: tuple[Grouping, ...]) -> None:
    lines = random_log()
    report = summarise(lines, by=by)
    rows, total = report.rows, report.total
    assert sum(sum(row.requests.values()) for row in rows) == len(lines)
    for outcome in OUTCOMES:
        assert total.requests[outcome] == sum(row.requests[outcome] for row in rows) > 0
    assert total.bytes_in == sum(row.bytes_in for row in rows)
    assert total.bytes_out == sum(row.bytes_out for row in rows)
    assert total.inferences == sum(row.inferences for row in rows)
    for name in ("request_seconds", "windows", "device_seconds", "cost"):
        assert getattr(total, name) == pytest.approx(math.fsum(getattr(row, name) for row in rows))
    days = {row.day for row in rows} if len(by) == 2 else {None}
    for day in days:
        shares = [row.share or 0 for row in rows if day in (None, row.day)]
        assert math.fsum(shares) == pytest.approx(1)


def test_totals_do_not_depend_on_how_rows_are_cut() -> None:
    lines = random_log()
    one, other = summarise(lines), summarise(lines, by=("lab",))
    assert one.total.requests == other.total.requests
    assert one.total.bytes_in == other.total.bytes_in
    assert one.total.cost == pytest.approx(other.total.cost)
    assert len(one.rows) > len(other.rows) == 4


def test_only_answered_inferences_are_estimated() -> None:
    lines = [
        log_line(seconds=3),
        log_line(seconds=1, lab="beta"),
        log_line(call="ModelStatistics"),
        log_line(**REJECTED),  # type: ignore[arg-type]
    ]
    report = summarise(lines)
    assert [(row.lab, row.inferences, row.windows) for row in report.rows] == [
        ("alpha", 1, 2.0),
        ("beta", 1, 2.0),
    ]
    assert report.total.cost == pytest.approx(2 * 0.5 / 3600 * 3.0)


def test_statistics_count_a_batch_once(tmp_path: Path, repository: Path) -> None:
    path = statistics_file(tmp_path / "s.json", requests=8, inferences=12, ns=4_000_000_000)
    mean = mean_request_from_file(path, repository=repository)
    assert mean == MeanRequest(requests=8, windows=12 * 2 / 8, device_seconds=0.5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not Triton's statistics as JSON"),
        ("[]", "not Triton's statistics"),
        ('{"model_stats": [3]}', "not Triton's statistics"),
        ('{"model_stats": []}', "answered no request"),
    ],
)
def test_files_that_are_no_statistics(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "statistics.json"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        mean_request_from_file(path, repository=tmp_path)


def test_the_real_server_is_asked(repository: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text("".join(log_line(lab=lab) for lab in ("alpha", "beta", "beta")))
    with (
        running_triton(repository) as triton,
        grpc.InferenceServerClient(triton.address) as client,
    ):
        with pytest.raises(InputError, match="answered no request"):
            mean_request_from_server(triton.address)
        tensor = grpc.InferInput("FRAMES", (1, *CONTRACT.segment_shape), "UINT8")
        tensor.set_data_from_numpy(random_segments(1))
        for _ in range(3):
            client.infer(MODEL_NAME, [tensor])
        mean = mean_request_from_server(triton.address)
        result = run_usage(log, "--server", triton.address, "--price-per-gpu-hour", "3600")
    assert (mean.requests, mean.windows) == (3, 2.0)
    assert 0.008 <= mean.device_seconds < 0.1  # two windows of 4 ms
    header, alpha, beta, total, note = result.stdout.splitlines()
    assert all(f"{what} (estimate)" in header for what in ("windows", "device s", "cost"))
    cost = [float(line.split()[-1]) for line in (alpha, beta, total)]
    assert beta.split()[-3] == "4"  # windows: two requests of two windows
    assert cost[1] == pytest.approx(2 * mean.device_seconds, abs=0.005)
    assert cost[2] == pytest.approx(cost[0] + cost[1], abs=0.015)
    assert note.startswith("Estimates:")


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ServerUnavailableError, match=r"127\.0\.0\.1:9.*HOST:PORT"):
        mean_request_from_server("127.0.0.1:9")


def test_without_statistics_nothing_is_estimated(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text(log_line() + log_line(**NO_CERTIFICATE))  # type: ignore[arg-type]
    result = run_usage(log)
    assert "estimate" not in result.output
    assert "cost" not in result.output
    assert "(no certificate)" in result.output
    assert result.exit_code == 0
    refused = run_usage(log, "--price-per-gpu-hour", "2.48")
    assert refused.exit_code == 2
    assert "--statistics or --server" in refused.output


def test_csv_adds_up(tmp_path: Path, repository: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text("".join(random_log()) + "torn")
    statistics = statistics_file(tmp_path / "s.json", requests=3, inferences=3, ns=10**9)
    options = ("--statistics", statistics, "--repository", repository)
    result = run_usage(log, *options, "--price-per-gpu-hour", "2.48", "--csv")
    *rows, total = csv.DictReader(io.StringIO(result.stdout))
    assert total["day"] == "total"
    for name in ("answered", "bytes_in", "request_seconds", "windows_estimated", "cost_estimated"):
        assert math.fsum(float(row[name]) for row in rows) == pytest.approx(float(total[name]))
    assert "line 401: not complete yet" in result.stderr


def test_one_row_a_day_or_a_lab(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text("".join(random_log()))
    by_day = run_usage(log, "--by", "day", "--csv").stdout.splitlines()
    by_lab = run_usage(log, "--by", "lab", "--csv").stdout.splitlines()
    assert [line.split(",")[0] for line in by_day] == [
        *("day", "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "total"),
    ]
    assert [line.split(",")[0] for line in by_lab] == [
        *("lab", "", "alpha", "beta", "gamma", "total")
    ]


def test_an_empty_log_is_an_empty_report() -> None:
    table = usage_as_table(summarise([]), by=GROUPINGS).splitlines()
    assert len(table) == 2
    assert table[1].startswith("total")
