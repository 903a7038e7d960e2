"""What became of everything that people annotated: nothing is left out without being counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import reduce
from operator import add
from typing import Any

from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import LeftOut


class Reason(StrEnum):
    """Why a frame, and so a window of which it is the label frame, is of no class."""

    UNLABELLED = "without a label"
    ASKED = "of behaviours that are left out as asked"
    UNKNOWN = "of behaviours that are none of the labels"
    OVERLAPPING = "with several behaviours at once"
    DISPUTED = "that annotations of one recording see differently"
    NOT_SCORED = "with frames that could not be decoded"


_HINTS = {
    Reason.UNLABELLED: "--background NAME makes a class of those between annotated behaviours",
    Reason.UNKNOWN: "name them in the labels, or --rename them to one of the labels",
}


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is annotated of one recording, or of several.

    Every frame is counted once in ``label_frames`` or ``left_out_frames``, every window once in
    ``used``, ``mixed`` or ``windows_left_out``.

    Attributes:
        labels: the classes, in their order.
        background: the class of what is annotated as none of the others; None without one.
        recordings: how many.
        frames: of all of them.
        us: how long they last, as all that ends in ``_us``.
        label_frames: of each class.
        label_us: of each class.
        background_frames: of the background, those within no annotated behaviour.
        background_us: likewise.
        left_out_frames: of no class.
        left_out_us: of no class.
        unknown_us: of each behaviour that is none of the labels, as it is annotated: where it
            overlaps one that is, the frames are the latter's.
        asked_us: of each behaviour that is left out as asked, likewise.
        renamed: behaviours that are taken as a label of another name.
        events: behaviours from a start to a stop.
        outside: of these, how many lie wholly outside their recording.
        cut: of these, how many reach over an end of it.
        no_intervals: events of the files that are no such, by reason.
        moved: annotations of several videos of which the recording is not the first.
        encodings: of files that are not UTF-8: how many there are.
        windows: in all.
        used: of each class, windows to train on.
        mixed: of each class, windows of which less than half is of it: they are only measured.
        windows_left_out: of no class.
    """

    labels: tuple[str, ...]
    background: str | None
    recordings: int
    frames: int
    us: int
    label_frames: Mapping[str, int]
    label_us: Mapping[str, int]
    background_frames: int
    background_us: int
    left_out_frames: Mapping[Reason, int]
    left_out_us: Mapping[Reason, int]
    windows: int
    used: Mapping[str, int]
    mixed: Mapping[str, int]
    windows_left_out: Mapping[Reason, int]
    unknown_us: Mapping[str, int] = field(default_factory=dict)
    asked_us: Mapping[str, int] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    events: int = 0
    outside: int = 0
    cut: int = 0
    no_intervals: Mapping[LeftOut, int] = field(default_factory=dict)
    moved: int = 0
    encodings: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Account) -> Account:
        """Return the account of the recordings of both, which have the same classes."""
        if (self.labels, self.background) != (other.labels, other.background):
            raise ValueError(f"expected accounts of {self.labels}, got one of {other.labels}")
        same: dict[str, Any] = {"labels": self.labels, "background": self.background}
        same["renamed"] = {**self.renamed, **other.renamed}
        sums = {
            name: _sum(getattr(self, name), getattr(other, name))
            for name in (field.name for field in fields(self))
            if name not in same
        }
        return Account(**same, **sums)

    def sentences(self) -> list[str]:
        """Return what a person should know, what weighs most first; nothing that is zero."""
        return [
            *self._of_frames(),
            *self._of_windows(),
            *self._of_names(),
            *self._of_events(),
        ]

    def document(self) -> dict[str, Any]:
        """Return it as plain values; reasons are their texts."""
        return {
            name: {str(key): each for key, each in value.items()}
            if isinstance(value, Mapping)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in asdict(self).items()
        }

    def _of_frames(self) -> list[str]:
        labelled = sum(self.label_us.values())
        of = f"{self.recordings} recording{'s' if self.recordings != 1 else ''}"
        share = f" ({labelled / self.us:.1%})" if self.us else ""
        said = [f"{_seconds(labelled)} of {_seconds(self.us)} in {of} have a label{share}"]
        if self.background_frames:
            said.append(
                f"{_seconds(self.background_us)} without an annotated behaviour, within what is "
                f"annotated, are {printable(self.background or '')!r}"
            )
        for reason, us in self.left_out_us.items():
            if us:
                hint = _HINTS.get(reason)
                hint = None if reason is Reason.UNLABELLED and self.background else hint
                said.append(f"left out: {_seconds(us)} {reason}{f'. {hint}' if hint else ''}")
        return said

    def _of_windows(self) -> list[str]:
        each = [
            f"{printable(label)} {_seconds(self.label_us[label])}, {self.used[label]:,}"
            + (f" + {self.mixed[label]:,} mixed" if self.mixed[label] else "")
            for label in self.labels
        ]
        used, mixed = sum(self.used.values()), sum(self.mixed.values())
        left_out = [f"{n:,} {reason}" for reason, n in self.windows_left_out.items() if n]
        said = [f"windows of each label: {'; '.join(each)}"]
        said.append(
            f"of {self.windows:,} windows, {used:,} are trained on"
            + (f", {mixed:,} are less than half of their label and only measured" if mixed else "")
            + (f", and left out are {', '.join(left_out)}" if left_out else "")
        )
        return said

    def _of_names(self) -> list[str]:
        renamed = [f"{printable(a)} as {printable(b)}" for a, b in self.renamed.items()]
        listed = (
            ("taken as labels of another name", renamed),
            ("none of the labels", _by_name(self.unknown_us)),
            ("left out as asked", _by_name(self.asked_us)),
        )
        return [f"{what}: {', '.join(names)}" for what, names in listed if names]

    def _of_events(self) -> list[str]:
        counts = (
            ("events wholly outside their video", self.outside, f" of {self.events:,}"),
            ("events cut at an end of their video", self.cut, f" of {self.events:,}"),
            ("annotations of several videos, moved to where theirs begins", self.moved, ""),
            *((f"files read as {name}", count, "") for name, count in self.encodings.items()),
        )
        return [
            *(f"{what}: {count:,}{of}" for what, count, of in counts if count),
            *(f"left out: {count:,} {reason}" for reason, count in self.no_intervals.items()),
        ]


def total(accounts: Sequence[Account]) -> Account:
    """Return the account of all recordings, of which there is at least one."""
    return reduce(add, accounts)


def _sum(one: Any, other: Any) -> Any:
    if not isinstance(one, Mapping):
        return one + other
    return {key: one.get(key, 0) + other.get(key, 0) for key in dict.fromkeys((*one, *other))}


def _seconds(us: int) -> str:
    return f"{us / 1e6:,.1f} s"


def _by_name(lengths_us: Mapping[str, int]) -> list[str]:
    return [f"{printable(name)!r} {_seconds(us)}" for name, us in lengths_us.items()]
