"""The gateway's access log: one JSON object a line, one line a finished request.

Keys: ``time`` (ISO 8601), ``lab``, ``call``, ``status`` (HTTP), ``grpc_status``, ``bytes_in``,
``bytes_out``, ``seconds``, ``upstream``. nginx writes them; a value that it does not know is
empty or ``-``, and where it asked several servers in turn, values of all of them stand in one
text, of which the last counts.

A line that cannot be read is reported by its number and left out, never guessed. A last line
without its end is one that nginx is still writing, so it is reported apart.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import grpc

from i3d_client.errors import InputError

Outcome = Literal["answered", "rejected", "denied", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("answered", "rejected", "denied", "failed")

INFERENCE_CALL = "ModelInfer"
LOG_NAME = "access.jsonl"
GRPC_STATUS: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
_REJECTED_GRPC = {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
_DENIED_GRPC = {"PERMISSION_DENIED", "UNAUTHENTICATED"}
_REJECTED_HTTP = {429, 502, 503, 504}
# 495 to 497 are nginx's own: a bad certificate, none, plain text on the TLS port.
_DENIED_HTTP = {400, 401, 403, 495, 496, 497}
_NUMBER_IN_NAME = re.compile(r"\.(\d+)(?:\.gz)?$")


@dataclass(frozen=True, kw_only=True)
class LoggedRequest:
    """One line of the log.

    Attributes:
        time: when the request ended, with the gateway's offset from UTC.
        lab: the name in the client's certificate; empty if there was none.
        call: the gRPC method, such as ``ModelInfer``; empty if the path was none.
        status: of HTTP.
        grpc_status: of gRPC, 0 … 16; None if the log does not say.
        bytes_in, bytes_out: of the request and of the answer.
        seconds: from the first byte of the request to the last of the answer.
        upstream: the servers that were asked; empty if none was.
    """

    time: datetime
    lab: str
    call: str
    status: int
    grpc_status: int | None
    bytes_in: int
    bytes_out: int
    seconds: float
    upstream: str

    @property
    def status_name(self) -> str:
        """The gRPC status by name, or ``HTTP 413`` where the log has none."""
        if self.grpc_status is None:
            return f"HTTP {self.status}"
        return GRPC_STATUS[self.grpc_status]

    @property
    def outcome(self) -> Outcome:
        """What became of the request.

        ``answered``: a result. ``rejected``: come back later, by the gateway's cap or by a server
        that is full or away. ``denied``: not allowed, whenever it is asked. ``failed``: the rest,
        such as a request with an error or one that the client gave up, which ends without a status
        of gRPC.
        """
        if self.grpc_status is None:
            return _outcome_of_http(self.status)
        name = GRPC_STATUS[self.grpc_status]
        if name == "OK":
            return "answered"
        if name in _REJECTED_GRPC:
            return "rejected"
        return "denied" if name in _DENIED_GRPC else "failed"

    @property
    def reason(self) -> str | None:
        """Why it was not let through; None if it was answered, or failed in another way."""
        if self.outcome == "denied":
            return "no valid certificate" if not self.lab else "not allowed"
        if self.outcome == "rejected":
            return "server full or away" if self.upstream else "limit of the gateway"
        return None


@dataclass(frozen=True, kw_only=True)
class BadLine:
    """A line that is not a request.

    Attributes:
        file: the log.
        number: of the line, from 1.
        reason: what is wrong with it.
        torn: it is the last line and has no end, as when nginx is still writing it.
    """

    file: Path
    number: int
    reason: str
    torn: bool = False

    def __str__(self) -> str:
        return f"{self.file}, line {self.number}: {self.reason}"


def parse_line(line: bytes) -> LoggedRequest:
    """Read one line of the log.

    Raises:
        ValueError: says what was expected and what there is.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"expected a JSON object, got {type(document).__name__}")
    known = _Keys(document)
    code = known.number("grpc_status", optional=True)
    if code is not None and code not in GRPC_STATUS:
        raise ValueError(f"grpc_status: expected 0 … {max(GRPC_STATUS)}, got {code:g}")
    return LoggedRequest(
        time=known.time(),
        lab=known.text("lab"),
        call=known.text("call"),
        status=int(known.amount("status")),
        grpc_status=None if code is None else int(code),
        bytes_in=int(known.amount("bytes_in")),
        bytes_out=int(known.amount("bytes_out")),
        seconds=known.amount("seconds"),
        upstream=known.text("upstream"),
    )


def read_logs(paths: Iterable[Path]) -> Iterator[LoggedRequest | BadLine]:
    """Read logs, each once, plain or compressed; a folder stands for its ``access.jsonl*``.

    Raises:
        InputError: a path is not there, cannot be read, or is a folder without a log.
    """
    for path in log_files(paths):
        yield from _read_log(path)


def log_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that ``paths`` name, each once; rotated ones before newer ones.

    Raises:
        InputError: a path is not there, or a folder has no log in it.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file; expected a gateway's log ({LOG_NAME})")
        files = _in_folder(path) if path.is_dir() else [path]
        found.update({file.resolve(): None for file in files})
    return list(found)


def _in_folder(folder: Path) -> list[Path]:
    files = [file for file in folder.glob(f"{LOG_NAME}*") if file.is_file()]
    if not files:
        raise InputError(f"{folder}: no {LOG_NAME} in this folder")

    def age(file: Path) -> tuple[int, str]:
        number = _NUMBER_IN_NAME.search(file.name)
        return (-int(number[1]) if number else 0, file.name)

    return sorted(files, key=age)


def _read_log(path: Path) -> Iterator[LoggedRequest | BadLine]:
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    yield parse_line(line)
                except ValueError as error:
                    torn = not line.endswith(b"\n")
                    yield BadLine(file=path, number=number, reason=str(error), torn=torn)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield BadLine(file=path, number=number + 1, reason=f"the compressed file ends: {error}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _outcome_of_http(status: int) -> Outcome:
    if status in _REJECTED_HTTP:
        return "rejected"
    return "denied" if status in _DENIED_HTTP else "failed"


class _Keys:
    """The values of one line, each checked as it is asked for."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def text(self, key: str) -> str:
        value = self._value(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ValueError(f"{key}: expected a text, got {value!r}")
        return "" if value == "-" else value

    def number(self, key: str, *, optional: bool = False) -> float | None:
        value = self._value(key)
        if isinstance(value, str):
            value = value.replace(":", ",").split(",")[-1].strip()
        if optional and value in (None, "", "-"):
            return None
        try:
            if isinstance(value, bool):
                raise TypeError
            return float(cast(str, value))
        except (TypeError, ValueError):
            raise ValueError(f"{key}: expected a number, got {value!r}") from None

    def amount(self, key: str) -> float:
        value = self.number(key)
        if value is None or not 0 <= value < float("inf"):
            raise ValueError(f"{key}: expected 0 or more, got {value!r}")
        return value

    def time(self) -> datetime:
        text = self.text("time")
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"time: expected ISO 8601, got {text!r}") from None
        if time.tzinfo is None:
            raise ValueError(f"time: expected an offset from UTC, got {text!r}")
        return time

    def _value(self, key: str) -> Any:
        if key not in self._document:
            raise ValueError(f"{key} is missing")
        return self._document[key]
