"""Stretches to annotate, as BORIS shows them, and as they come back from there.

In the project that ``i3d suggest`` and ``i3d fit`` write, each stretch is a bout of a behaviour
``to annotate``. A person adds behaviours within these stretches and gives the same file to
``i3d fit --annotations``. What lies between two stretches was not looked at; so each one counts as
an annotation of its own, and no background is assumed between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from i3d_ethogram.annotations.annotation import Annotation, Interval
from i3d_ethogram.annotations.annotation_boris import TO_ANNOTATE


def divided_at_stretches(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return annotations without the behaviour ``to annotate``.

    One that has it becomes one for each of its stretches in which something is annotated, and one
    of what lies outside of all of them. Others are returned as they are.
    """
    found: list[Annotation] = []
    for annotation in annotations:
        found += _divided(annotation) if TO_ANNOTATE in annotation.labels else [annotation]
    return found


def _divided(annotation: Annotation) -> list[Annotation]:
    stretches = [one for one in annotation.intervals if one.label == TO_ANNOTATE]
    rest = [one for one in annotation.intervals if one.label != TO_ANNOTATE]
    parts: list[list[Interval]] = [[] for _ in range(len(stretches) + 1)]
    for interval in rest:
        parts[_stretch_of(interval, stretches)].append(interval)
    labels = tuple(label for label in annotation.labels if label != TO_ANNOTATE)
    kept = [
        replace(annotation, intervals=tuple(part), labels=labels, left_out={})
        for part in parts
        if part
    ]
    if kept:  # what is counted of a file is counted once
        kept[0] = replace(kept[0], left_out=annotation.left_out)
    return kept


def _stretch_of(interval: Interval, stretches: Sequence[Interval]) -> int:
    """Return the place of the stretch that holds most of an interval; one further if none does."""
    shared = [
        min(interval.stop, stretch.stop) - max(interval.start, stretch.start)
        for stretch in stretches
    ]
    most = max(shared, default=0)
    return shared.index(most) if most > 0 else len(stretches)
