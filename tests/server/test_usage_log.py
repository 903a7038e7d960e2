"""The gateway's log is read whole: rotated, compressed and torn, and what is wrong is numbered."""

import contextlib
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.logged_requests import DENIED, NO_CERTIFICATE, REJECTED, log_line

from i3d_client.errors import InputError
from i3d_server.gateway_log import BadLine, LoggedRequest, log_files, parse_line, read_logs


def bad_lines(path: Path) -> list[BadLine]:
    return [entry for entry in read_logs([path]) if isinstance(entry, BadLine)]


def test_a_line_says_what_became_of_the_request() -> None:
    request = parse_line(log_line(seconds=1.5, bytes_in=9).encode())
    assert (request.lab, request.call, request.seconds, request.bytes_in) == (
        *("alpha", "ModelInfer", 1.5, 9),
    )
    assert request.time.isoformat() == "2026-03-02T09:00:00+00:00"
    assert (request.outcome, request.reason, request.status_name) == ("answered", None, "OK")


@pytest.mark.parametrize(
    ("values", "outcome", "reason"),
    [
        (REJECTED, "rejected", "limit of the gateway"),
        ({"grpc_status": "14"}, "rejected", "server full or away"),
        ({"grpc_status": "", "status": 503}, "rejected", "server full or away"),
        (DENIED, "denied", "not allowed"),
        (NO_CERTIFICATE, "denied", "no valid certificate"),
        ({"grpc_status": "", "status": 495, "lab": ""}, "denied", "no valid certificate"),
        ({"grpc_status": "3"}, "failed", None),
        ({"grpc_status": "-", "status": 499}, "failed", None),
        ({"grpc_status": "", "status": 200}, "failed", None),
        ({"grpc_status": "", "status": 0}, "failed", None),
        ({"grpc_status": "14, 0"}, "answered", None),
    ],
)
def test_outcomes(values: dict[str, object], outcome: str, reason: str | None) -> None:
    request = parse_line(log_line(**values).encode())  # type: ignore[arg-type]
    assert (request.outcome, request.reason) == (outcome, reason)


def test_what_cannot_be_read_is_numbered_and_the_rest_counts(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    lines = [
        log_line(),
        "\n",
        "{not json\n",
        '{"time":"2026-03-02T09:00:00+00:00"}\n',
        log_line(time="yesterday"),
        log_line(time="2026-03-02T09:00:00"),
        log_line(grpc_status="77"),
        log_line(bytes_in=-1),
        log_line(seconds=float("nan")),
        "[1]\n",
        log_line(lab="beta"),
        log_line()[:40],
    ]
    log.write_text("".join(lines))
    bad = bad_lines(log)
    assert [line.number for line in bad] == [3, 4, 5, 6, 7, 8, 9, 10, 12]
    assert [line.torn for line in bad] == [False] * 8 + [True]
    assert "is missing" in bad[1].reason
    assert "offset" in bad[3].reason
    good = [entry for entry in read_logs([log]) if isinstance(entry, LoggedRequest)]
    assert [request.lab for request in good] == ["alpha", "beta"]


def test_a_whole_last_line_without_its_end_counts(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text(log_line() + log_line().rstrip())
    assert len(list(read_logs([log]))) == 2
    assert not bad_lines(log)


def test_a_folder_stands_for_its_log_and_what_was_rotated(tmp_path: Path) -> None:
    (tmp_path / "access.jsonl").write_text(log_line(lab="newest"))
    (tmp_path / "access.jsonl.1").write_text(log_line(lab="older"))
    (tmp_path / "access.jsonl.10.gz").write_bytes(gzip.compress(log_line(lab="oldest").encode()))
    (tmp_path / "error.log").write_text("not read\n")
    entries = list(read_logs([tmp_path, tmp_path / "access.jsonl.1"]))
    assert [entry.lab for entry in entries if isinstance(entry, LoggedRequest)] == [
        *("oldest", "older", "newest"),
    ]


def test_a_compressed_log_that_ends_early_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl.2.gz"
    whole = gzip.compress("".join(log_line(seconds=n / 7) for n in range(2000)).encode())
    log.write_bytes(whole[: len(whole) // 2])
    entries = list(read_logs([log]))
    assert sum(isinstance(entry, LoggedRequest) for entry in entries) > 100
    assert isinstance(entries[-1], BadLine)
    assert "compressed" in entries[-1].reason


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        log_files([tmp_path / "access.jsonl"])
    with pytest.raises(InputError, match=r"no access\.jsonl"):
        log_files([tmp_path])


@given(
    st.one_of(
        st.binary(max_size=80), st.dictionaries(st.text(), st.integers()).map(repr).map(str.encode)
    )
)
def test_no_line_ends_the_report(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_line(line)
