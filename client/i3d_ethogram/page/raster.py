"""Long recordings as cells of equal length, few enough for a page.

A cell shows the label that takes most of its time; shorter bouts in it are not seen, so a page
says how long its cells are. Cells are cut at whole multiples of their length, so those of different
hours lie under each other. Each length is a multiple of the one before, since the time in a longer
cell is the sum of that in the shorter ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import Ethogram

CELLS_US = (1_000_000, 3_000_000, 6_000_000, 30_000_000, 60_000_000, 300_000_000)
NO_CELL = -2
"""Where no frame is: in a hole between frames that the recording does not fill."""


class Raster(NamedTuple):
    """Cells of one recording.

    Attributes:
        first: number of the first cell; cell c is the time ``[c · cell_us, (c + 1) · cell_us)``.
        codes: (cells,) int16, as the ethogram's; ``NO_CELL`` where nothing is.
    """

    first: int
    codes: NDArray[np.int16]


@dataclass
class RasterBudget:
    """Rasters of many recordings, with the shortest cells of which there are not too many.

    Attributes:
        most_cells: of all recordings together. The longest cells are kept, whatever they take.
    """

    most_cells: int

    def __post_init__(self) -> None:
        self._by_cell: dict[int, list[Raster]] = {cell_us: [] for cell_us in CELLS_US}
        self._cells = dict.fromkeys(CELLS_US, 0)

    def add(self, ethogram: Ethogram, *, starts_us: int) -> None:
        """Add a recording whose time 0 is at ``starts_us`` on the axis of the cells."""
        spent = _Spent(ethogram, starts_us)
        for cell_us in CELLS_US:
            if cell_us not in self._by_cell:
                continue
            spent.gather(cell_us)
            raster = spent.raster()
            self._by_cell[cell_us].append(raster)
            self._cells[cell_us] += len(raster.codes)
            if self._cells[cell_us] > self.most_cells and cell_us != CELLS_US[-1]:
                del self._by_cell[cell_us]

    @property
    def cell_us(self) -> int:
        """Length of the cells, µs."""
        return min(self._by_cell)

    @property
    def rasters(self) -> list[Raster]:
        """One a recording, in the order in which they were added."""
        return self._by_cell[self.cell_us]


class _Spent:
    """The time of each label in each cell, where it is not 0: (p,) arrays, by cell and code."""

    def __init__(self, ethogram: Ethogram, starts_us: int) -> None:
        edges = ethogram.times_us + starts_us
        step = CELLS_US[0]
        borders = np.arange(edges[0] // step + 1, -(-edges[-1] // step), dtype=np.int64) * step
        cuts = np.union1d(edges, borders)
        run = np.searchsorted(edges, cuts[:-1], side="right") - 1
        self._cell_us = step
        self._cell = cuts[:-1] // step
        self._code = ethogram.codes[run].astype(np.int64)
        self._us = np.diff(cuts)

    def gather(self, cell_us: int) -> None:
        """Make the cells longer, and one entry of each code in a cell."""
        cell = self._cell // (cell_us // self._cell_us)
        self._cell_us = cell_us
        span = int(self._code.max(initial=0)) + 2
        keys, entry = np.unique(cell * span + self._code + 1, return_inverse=True)
        self._us = np.bincount(entry, weights=self._us).astype(np.int64)  # exact below 2**53
        self._cell, self._code = keys // span, keys % span - 1

    def raster(self) -> Raster:
        """Return the code with most time in each cell; of equal ones the lowest."""
        if not len(self._cell):
            return Raster(0, np.empty(0, np.int16))
        order = np.lexsort((self._code, -self._us, self._cell))
        cells, firsts = np.unique(self._cell[order], return_index=True)
        codes = np.full(int(cells[-1] - cells[0]) + 1, NO_CELL, np.int16)
        codes[cells - cells[0]] = self._code[order][firsts]
        return Raster(int(cells[0]), codes)
