"""Which classes a head is to tell apart, and in which order.

The order is the order of the model's outputs, so it never depends on how names sort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.compare.annotated_frames import renamed_labels
from i3d_fit.errors import AnnotationsError

_LEAVE_OUT = ""
_SHOWN = 20


def choose_labels(
    annotations: Sequence[Annotation],
    *,
    labels: Sequence[str] | None,
    names: Mapping[str, str],
    background: str | None,
) -> tuple[str, ...]:
    """Return the classes of a head.

    A behaviour counts if it lasts somewhere: one that a project merely lists does not. Names that
    differ in capitals, spaces, underscores and hyphens alone are one behaviour, written as in
    ``names`` or ``background`` or as it first appears, unless one annotation has both.

    Args:
        annotations: of all recordings.
        labels: the classes, in their order; None takes all behaviours, in the order in which they
            first appear.
        names: the class for a behaviour of another name; an empty one leaves the behaviour out.
        background: the class of what is annotated as none of the others; the last one, unless
            ``labels`` places it. None: there is no such class.

    Raises:
        AnnotationsError: there are fewer than two; one cannot be a label, comes twice, or is
            nobody's; or ``names`` has a behaviour that nobody has, or a class that is none.
    """
    _check_behaviours(annotations, names)
    occurring = _occurring(annotations, names)
    if labels is None:
        chosen = _all_of(occurring, annotations, names=names, background=background)
    else:
        chosen = _given(labels, occurring, names=names, background=background)
    _check_labels(chosen)
    return chosen


def _occurring(annotations: Sequence[Annotation], names: Mapping[str, str]) -> list[str]:
    """Return the behaviours that last somewhere, after renaming, as they first appear."""
    behaviours = dict.fromkeys(
        interval.label for annotation in annotations for interval in annotation.intervals
    )
    renamed = dict.fromkeys(names.get(behaviour, behaviour) for behaviour in behaviours)
    return [behaviour for behaviour in renamed if behaviour != _LEAVE_OUT]


def _all_of(
    occurring: Sequence[str],
    annotations: Sequence[Annotation],
    *,
    names: Mapping[str, str],
    background: str | None,
) -> tuple[str, ...]:
    together = [set(annotation.labels) for annotation in annotations]
    # A name that was asked for is written as it was asked for.
    spelt = [name for name in dict.fromkeys((background, *names.values())) if name]
    for behaviour in occurring:
        alike = renamed_labels([behaviour], labels=spelt, names={})[behaviour]
        distinct = any({behaviour, alike} <= both for both in together)
        if behaviour not in spelt and (alike == behaviour or distinct):
            spelt.append(behaviour)
    taken = renamed_labels(occurring, labels=spelt, names={})
    chosen = [label for label in dict.fromkeys(taken.values()) if label != background]
    return tuple(chosen if background is None else [*chosen, background])


def _given(
    labels: Sequence[str],
    occurring: Sequence[str],
    *,
    names: Mapping[str, str],
    background: str | None,
) -> tuple[str, ...]:
    chosen = list(labels)
    if background is not None and background not in chosen:
        chosen.append(background)
    for behaviour, label in names.items():
        if label not in (*chosen, _LEAVE_OUT):
            raise AnnotationsError(
                f"{printable(behaviour)}={printable(label)}: expected one of the labels that are "
                f"given, which are {_listed(chosen)}, or nothing to leave the behaviour out"
            )
    taken = set(renamed_labels(occurring, labels=chosen, names={}).values())
    absent = [label for label in chosen if label not in taken and label != background]
    if absent:
        raise AnnotationsError(
            f"labels: expected behaviours that are annotated, got {_listed(absent)}, which nobody "
            f"annotated; the annotations have {_listed(occurring)}. Leave them out of the labels, "
            "or rename what is meant"
        )
    return tuple(chosen)


def _check_behaviours(annotations: Sequence[Annotation], names: Mapping[str, str]) -> None:
    known = dict.fromkeys(label for annotation in annotations for label in annotation.labels)
    for behaviour, label in names.items():
        if behaviour not in known:
            raise AnnotationsError(
                f"{printable(behaviour)}={printable(label)}: expected a behaviour of the "
                f"annotations, got {printable(behaviour)!r}; they have {_listed(list(known))}"
            )


def _check_labels(labels: Sequence[str]) -> None:
    for label in labels:
        if not label.strip() or not label.isprintable():
            raise AnnotationsError(
                f"label {label!r}: expected printable text that is not blank. Give "
                "the behaviour another name"
            )
        if labels.count(label) > 1:
            raise AnnotationsError(f"labels: expected each once, got {label!r} twice")
    if len(labels) < 2:
        raise AnnotationsError(
            f"expected two labels or more, got {_listed(labels)}. Annotate another behaviour, or "
            "make what is annotated as none a class of its own, with --background NAME"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(printable(name)) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (shown or "none") + more
