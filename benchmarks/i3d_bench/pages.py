"""Figures in pages come out of the benchmarks' files.

    python -m i3d_bench.pages README.md

A figure stands between ``<!-- FILE:KEY -->`` and ``<!-- / -->`` and is ``KEY`` of
``benchmarks/results/FILE.json``, with two decimals.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

_FIGURE = re.compile(r"(<!-- (?P<file>\w+):(?P<key>\w+) -->).*?(<!-- / -->)")


def fill_figures(page: str, *, results: Path) -> str:
    """Return the page with every figure as it stands in the folder ``results``."""

    def figure(match: re.Match[str]) -> str:
        document = json.loads((results / f"{match['file']}.json").read_text())
        return f"{match[1]}{document[match['key']]:.2f}{match[4]}"

    return _FIGURE.sub(figure, page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(fill_figures(path.read_text(), results=Path("benchmarks/results")))
