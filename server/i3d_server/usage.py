"""Who used the server, from the gateway's log; windows, device time and cost as estimates.

Requests, bytes and seconds are counted. What the log cannot say, since a gateway does not see
into a request, is estimated from Triton's statistics: every answered inference request counts as
the mean one, over all models since Triton started. So estimates are exact in their sum if the
statistics cover the same requests as the log, and

- with one model, a lab's windows are too many by what its last, shorter segments lack: at most one
  segment a span;
- with several models, a lab that uses the cheapest one alone is estimated too high, one that uses
  the most expensive one too low, at most by the ratio of that model's mean to the mean of all.

A lab's share of request seconds would be no better: they contain the time in the queue, which is
long for whoever sends most at a time, whatever its requests cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from i3d_server.gateway_log import (
    INFERENCE_CALL,
    OUTCOMES,
    BadLine,
    LoggedRequest,
    Outcome,
)
from i3d_server.usage_statistics import MeanRequest

Grouping = Literal["day", "lab"]
GROUPINGS: tuple[Grouping, ...] = ("day", "lab")
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class UsageRow:
    """What one lab, or all, did on one day, or on all.

    Attributes:
        day: as the gateway's clock says, YYYY-MM-DD; empty where days are added up.
        lab: its name, empty for requests without a certificate; None where labs are added up.
        requests: of every call, by what became of them.
        inferences: answered inference requests.
        bytes_in, bytes_out: of all requests.
        request_seconds: of all requests, added up; those that ran at once count each.
        share: of the ``request_seconds`` of all labs on the day, of the whole log where one of
            the two is added up; 0 … 1; None in the total.
        windows: estimated; None without statistics.
        device_seconds: estimated time in which Triton computed; None without statistics.
        cost: estimated, in the currency of the price; None without a price.
    """

    day: str
    lab: str | None
    requests: dict[Outcome, int]
    inferences: int
    bytes_in: int
    bytes_out: int
    request_seconds: float
    share: float | None
    windows: float | None
    device_seconds: float | None
    cost: float | None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The rows of a report, their sum, and what the log held besides.

    Attributes:
        rows: ordered by day, then by lab.
        total: the sum of ``rows``.
        bad_lines: left out of ``rows``.
    """

    rows: tuple[UsageRow, ...]
    total: UsageRow
    bad_lines: tuple[BadLine, ...]


def summarise_usage(
    entries: Iterable[LoggedRequest | BadLine],
    *,
    by: Sequence[Grouping] = GROUPINGS,
    mean: MeanRequest | None = None,
    price_per_gpu_hour: float | None = None,
) -> Usage:
    """Add up a gateway's log.

    Args:
        entries: as ``read_logs`` gives them, in any order.
        by: what gets rows of its own.
        mean: what an answered inference request is, from Triton's statistics.
        price_per_gpu_hour: of the device; only with ``mean``.
    """
    sums: dict[tuple[str, str | None], _Sum] = {}
    bad: list[BadLine] = []
    for entry in entries:
        if isinstance(entry, BadLine):
            bad.append(entry)
            continue
        day = entry.time.date().isoformat() if "day" in by else ""
        lab = entry.lab if "lab" in by else None
        sums.setdefault((day, lab), _Sum()).add(entry)
    whole: dict[str, float] = {}
    for (day, _), one in sums.items():
        of = day if len(by) > 1 else ""
        whole[of] = whole.get(of, 0.0) + one.seconds
    rows = tuple(
        _row(
            one,
            day=day,
            lab=lab,
            of_seconds=whole[day if len(by) > 1 else ""],
            mean=mean,
            price=price_per_gpu_hour,
        )
        for (day, lab), one in sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    )
    return Usage(
        rows=rows,
        total=_total(rows, estimated=mean, price=price_per_gpu_hour),
        bad_lines=tuple(bad),
    )


@dataclass
class _Sum:
    requests: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    inferences: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0

    def add(self, request: LoggedRequest) -> None:
        self.requests[request.outcome] += 1
        self.inferences += request.call == INFERENCE_CALL and request.outcome == "answered"
        self.bytes_in += request.bytes_in
        self.bytes_out += request.bytes_out
        self.seconds += request.seconds


def _row(
    one: _Sum,
    *,
    day: str,
    lab: str | None,
    of_seconds: float,
    mean: MeanRequest | None,
    price: float | None,
) -> UsageRow:
    device_seconds = None if mean is None else one.inferences * mean.device_seconds
    return UsageRow(
        day=day,
        lab=lab,
        requests=one.requests,
        inferences=one.inferences,
        bytes_in=one.bytes_in,
        bytes_out=one.bytes_out,
        request_seconds=one.seconds,
        share=one.seconds / of_seconds if of_seconds else 0.0,
        windows=None if mean is None else one.inferences * mean.windows,
        device_seconds=device_seconds,
        cost=_cost(device_seconds, price),
    )


def _cost(device_seconds: float | None, price: float | None) -> float | None:
    if device_seconds is None or price is None:
        return None
    return device_seconds / _SECONDS_PER_HOUR * price


def _total(
    rows: Sequence[UsageRow], *, estimated: MeanRequest | None, price: float | None
) -> UsageRow:
    device_seconds = None
    windows = None
    if estimated is not None:
        windows = math.fsum(row.windows or 0 for row in rows)
        device_seconds = math.fsum(row.device_seconds or 0 for row in rows)
    return UsageRow(
        day="",
        lab=None,
        requests={outcome: sum(row.requests[outcome] for row in rows) for outcome in OUTCOMES},
        inferences=sum(row.inferences for row in rows),
        bytes_in=sum(row.bytes_in for row in rows),
        bytes_out=sum(row.bytes_out for row in rows),
        request_seconds=math.fsum(row.request_seconds for row in rows),
        share=None,
        windows=windows,
        device_seconds=device_seconds,
        cost=_cost(device_seconds, price),
    )
