"""The rows of a usage report as a table to read and as CSV.

Whatever is estimated says so in its column's header. CSV has full precision, so that its rows add
up to its last one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from i3d_server.gateway_log import OUTCOMES, Outcome
from i3d_server.usage import Grouping, Usage, UsageRow

NO_LAB = "(no certificate)"
_Column = tuple[str, Callable[[UsageRow], str]]


def usage_as_csv(usage: Usage, *, by: Sequence[Grouping]) -> str:
    """Return the report as CSV; the last row is the sum, with ``total`` in its first column."""
    columns: list[_Column] = []
    if "day" in by:
        columns.append(("day", lambda row: row.day))
    if "lab" in by:
        columns.append(("lab", lambda row: row.lab or ""))
    columns += [(outcome, _count(outcome)) for outcome in OUTCOMES]
    columns += [
        ("bytes_in", lambda row: str(row.bytes_in)),
        ("bytes_out", lambda row: str(row.bytes_out)),
        ("request_seconds", lambda row: repr(row.request_seconds)),
        (_share(by, "_"), lambda row: "" if row.share is None else repr(row.share)),
    ]
    if usage.total.windows is not None:
        columns.append(("windows_estimated", lambda row: repr(row.windows)))
        columns.append(("device_seconds_estimated", lambda row: repr(row.device_seconds)))
    if usage.total.cost is not None:
        columns.append(("cost_estimated", lambda row: repr(row.cost)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows([cell(row) for _, cell in columns] for row in usage.rows)
    total = [cell(usage.total) for _, cell in columns]
    writer.writerow(["total", *total[1:]])
    return text.getvalue()


def usage_as_table(usage: Usage, *, by: Sequence[Grouping]) -> str:
    """Return the report as lines of aligned columns, the sum last."""
    columns: list[_Column] = []
    if "day" in by:
        columns.append(("day", lambda row: row.day))
    if "lab" in by:
        columns.append(("lab", lambda row: row.lab or NO_LAB))
    columns += [(outcome, _count(outcome)) for outcome in OUTCOMES]
    columns += [
        ("in MB", lambda row: f"{row.bytes_in / 1e6:.1f}"),
        ("out MB", lambda row: f"{row.bytes_out / 1e6:.1f}"),
        ("request s", lambda row: f"{row.request_seconds:.1f}"),
        (_share(by, " "), lambda row: "" if row.share is None else f"{row.share:.1%}"),
    ]
    if usage.total.windows is not None:
        columns.append(("windows (estimate)", lambda row: f"{row.windows:.0f}"))
        columns.append(("device s (estimate)", lambda row: f"{row.device_seconds:.1f}"))
    if usage.total.cost is not None:
        columns.append(("cost (estimate)", lambda row: f"{row.cost:.2f}"))
    lines = [[name for name, _ in columns]]
    lines += [[cell(row) for _, cell in columns] for row in usage.rows]
    lines.append(["total", *(cell(usage.total) for _, cell in columns[1:])])
    if len(by) > 1:
        lines[-1][1] = ""
    return "\n".join(_aligned(lines, text_columns=len(by)))


def _count(outcome: Outcome) -> Callable[[UsageRow], str]:
    return lambda row: str(row.requests[outcome])


def _share(by: Sequence[Grouping], space: str) -> str:
    """Say what it is a share of: of a day's request seconds where labs of a day have rows."""
    return f"share{space}of{space}day" if len(by) > 1 else "share"


def _aligned(lines: list[list[str]], *, text_columns: int) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
