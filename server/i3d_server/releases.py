"""Which Triton release runs on which GPU and driver.

Drivers are those that NVIDIA's release notes of Triton name (``…/release-notes/rel-YY-MM.html``);
rows are the releases whose notes were read, and a release between two rows is held to be no easier
than the earlier and no harder than the later one. From 25.08 on the notes say 575, but the images
hold CUDA 13, whose own table (CUDA Compatibility, "Minor Version Compatibility") says 580; the
larger number is taken. The notes of 26.06 name no driver, those of later releases were not read.

Compute capabilities are those of docs/gpu.md: TensorRT 10.5, which is in 24.10, dropped Volta, and
Blackwell came with 25.01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Judgement = Literal["ok", "warning", "problem"]
DEFAULT_RELEASE = "26.08"
NOTES = "https://docs.nvidia.com/deeplearning/triton-inference-server/release-notes/"

_RELEASE = re.compile(r"^(\d\d)\.(\d\d)$")
_LAST_WITH_VOLTA = "24.09"
_FIRST_WITHOUT_VOLTA = "24.10"
_FIRST_WITH_BLACKWELL = "25.01"
_VOLTA, _TURING, _BLACKWELL = (7, 0), (7, 5), (10, 0)
_IN_TABLE = {(7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)}


@dataclass(frozen=True, kw_only=True)
class DriverNotes:
    """What the notes of a release ask for.

    Attributes:
        release: YY.MM.
        cuda: version in the image.
        driver: major version at least, on any GPU.
        forward_compatible: older drivers, major and minor version at least, that the notes allow
            on data-centre GPUs alone.
    """

    release: str
    cuda: str
    driver: int
    forward_compatible: tuple[tuple[int, int], ...]


_DATA_CENTRE = ((470, 57), (525, 85), (535, 86), (545, 23))
DRIVER_NOTES = (
    DriverNotes(release="24.04", cuda="12.4", driver=545, forward_compatible=_DATA_CENTRE),
    DriverNotes(release="24.10", cuda="12.6", driver=560, forward_compatible=_DATA_CENTRE),
    DriverNotes(release="25.01", cuda="12.8", driver=560, forward_compatible=_DATA_CENTRE),
    DriverNotes(release="25.04", cuda="12.9", driver=575, forward_compatible=_DATA_CENTRE),
    DriverNotes(release="25.08", cuda="13.0", driver=580, forward_compatible=_DATA_CENTRE),
    DriverNotes(release="26.02", cuda="13.1", driver=580, forward_compatible=_DATA_CENTRE),
    DriverNotes(release="26.06", cuda="13.3", driver=580, forward_compatible=()),
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether something fits a release.

    Attributes:
        judgement: ``warning`` where it cannot be said.
        says: what is so.
        advice: what to do; empty if nothing.
    """

    judgement: Judgement
    says: str
    advice: str = ""


def is_release(text: str) -> bool:
    """Whether ``text`` has the form of a release, YY.MM."""
    found = _RELEASE.match(text)
    return found is not None and 1 <= int(found[2]) <= 12


def judge_compute_capability(release: str, capability: tuple[int, int]) -> Verdict:
    """Say whether a GPU of this compute capability, (major, minor), can run ``release``."""
    name = f"compute capability {capability[0]}.{capability[1]}"
    if capability < _VOLTA:
        return Verdict(
            judgement="problem",
            says=f"{name} is older than Volta (7.0)",
            advice="take a GPU from Volta on, or the stack without a GPU (--cpu)",
        )
    if capability < _TURING and release >= _FIRST_WITHOUT_VOLTA:
        return Verdict(
            judgement="problem",
            says=f"{name} is not supported from {_FIRST_WITHOUT_VOLTA} on, and this is {release}",
            advice=f"set TRITON_RELEASE={_LAST_WITH_VOLTA} in .env",
        )
    if capability >= _BLACKWELL and release < _FIRST_WITH_BLACKWELL:
        return Verdict(
            judgement="problem",
            says=f"{name} needs {_FIRST_WITH_BLACKWELL} or later, and this is {release}",
            advice=f"set TRITON_RELEASE={DEFAULT_RELEASE} in .env",
        )
    if capability not in _IN_TABLE:
        return Verdict(
            judgement="warning",
            says=f"{name} is not in the table of docs/gpu.md",
            advice=f"see the release notes of {release}: {notes_of(release)}",
        )
    return Verdict(judgement="ok", says=f"{name} fits {release}")


def judge_driver(release: str, driver: str) -> Verdict:
    """Say whether ``driver``, such as "580.95.05", can run ``release``."""
    see_notes = f"see the release notes of {release}: {notes_of(release)}"
    version = _driver_version(driver)
    earlier = [notes for notes in DRIVER_NOTES if notes.release <= release]
    later = [notes for notes in DRIVER_NOTES if notes.release >= release]
    if version is None or not earlier:
        says = f"driver {driver}: what {release} needs is not known here"
        return Verdict(judgement="warning", says=says, advice=see_notes)
    at_least = earlier[-1]
    if version[0] >= at_least.driver:
        if later and version[0] >= later[0].driver:
            return Verdict(judgement="ok", says=f"driver {driver} fits {release}")
        says = f"driver {driver} is enough for {at_least.release}; not known for {release}"
        return Verdict(judgement="warning", says=says, advice=see_notes)
    needed = f"{release} needs driver {at_least.driver} or later"
    if any(
        version[0] == major and version >= (major, minor)
        for major, minor in at_least.forward_compatible
    ):
        return Verdict(
            judgement="warning",
            says=f"driver {driver}: {needed}, on data-centre GPUs this one may do",
            advice=see_notes,
        )
    return Verdict(
        judgement="problem",
        says=f"driver {driver}: {needed}",
        advice=f"install a newer driver{_or_an_older_release(version[0])}",
    )


def notes_of(release: str) -> str:
    """Where NVIDIA's notes of ``release`` are."""
    return f"{NOTES}rel-{release.replace('.', '-')}.html"


def _or_an_older_release(driver: int) -> str:
    fitting = [notes.release for notes in DRIVER_NOTES if notes.driver <= driver]
    return f", or set TRITON_RELEASE={fitting[-1]} in .env" if fitting else ""


def _driver_version(driver: str) -> tuple[int, int] | None:
    found = re.match(r"^(\d+)\.(\d+)", driver)
    return (int(found[1]), int(found[2])) if found else None
