"""Comparisons of several recordings together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from i3d_client.errors import ResultError
from i3d_client.printable import printable
from i3d_ethogram.compare.comparison import MODEL, Comparison

ALL = "(all)"
PEOPLE = "(another person)"


def total_of(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return what recordings say together: of the model with people, and of people with people.

    One of a kind has no total.

    Raises:
        ResultError: their models have different labels.
    """
    totals = []
    for other in (MODEL, PEOPLE):
        of_kind = [row for row in comparisons if (row.other == MODEL) == (other == MODEL)]
        if len(of_kind) < 2:
            continue
        for row in of_kind[1:]:
            if row.agreement.labels != of_kind[0].agreement.labels:
                raise ResultError(
                    f"{printable(row.recording)}: expected the labels of "
                    f"{printable(of_kind[0].recording)}, got those of another model. Compare "
                    "results of one model at a time"
                )
        models = dict.fromkeys(row.model for row in of_kind)
        totals.append(
            replace(
                of_kind[0],
                recording=ALL,
                reference=ALL,
                other=other,
                agreement=reduce(add, (row.agreement for row in of_kind)),
                notes=(),
                strips=np.empty((2, 0), np.int16),
                model=" + ".join(models),
            )
        )
    return totals
