"""Write synthetic cages.

python -m i3d_bench.cages OUT --animals 8 --frames 4500 --schedule balanced --seed 1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from i3d_bench.cages.behaviours import SCHEDULES
from i3d_bench.cages.cages import write_cages
from i3d_bench.cages.errors import CagesError


def main() -> None:
    """Parse, and write."""
    parser = argparse.ArgumentParser(prog="python -m i3d_bench.cages", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--animals", type=int, default=8)
    parser.add_argument("--first-animal", type=int, default=1)
    parser.add_argument("--frames", type=int, default=4500, help="of each animal")
    parser.add_argument("--schedule", choices=tuple(SCHEDULES), default="balanced")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    try:
        cages = write_cages(
            given.out,
            animals=given.animals,
            first_animal=given.first_animal,
            seed=given.seed,
            schedule=given.schedule,
            frames_per_animal=given.frames,
            workers=given.workers,
        )
    except CagesError as error:
        sys.exit(str(error))
    print(f"{len(cages.videos)} videos, {cages.annotations}")  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
