"""Run times over readers have the paper's shape, with a SIMULATED device and SIMULATED readers."""

import time
from collections.abc import Callable

import pytest
from tests.conftest import MakeVideo

from i3d_bench.bench.paced_shape import CONTRACT, measure_paced
from i3d_bench.bench.pacing import paced

READERS = (1, 2, 4)
FRAME_S = 0.003
DEVICE_OVER_LOADING = 0.4
FLAT = 1.15
ATTEMPTS = 4
Seconds = dict[str, list[float]]


def in_turn(seconds: Seconds, loading_s: float) -> dict[str, bool]:
    """The shape of the pipelines in which reading and the device take turns, each of its parts."""
    synchronous, parallel = seconds["synchronous"], seconds["parallel"]
    device_s = DEVICE_OVER_LOADING * loading_s
    return {
        "synchronous is flat": max(synchronous) < FLAT * min(synchronous),
        "synchronous is the sum": min(synchronous) > loading_s + device_s,
        "parallel falls": parallel[1] < 0.8 * parallel[0] and parallel[2] < parallel[1],
        "parallel is never below reading and the device in turn": all(
            value > loading_s / count + device_s
            for count, value in zip(READERS, parallel, strict=True)
        ),
    }


def ahead(seconds: Seconds, loading_s: float) -> dict[str, bool]:
    """The shape of the pipeline that reads ahead of the device, each of its parts."""
    asynchronous = seconds["asynchronous"]
    device_s = DEVICE_OVER_LOADING * loading_s
    return {
        "asynchronous falls while loading is the bound": asynchronous[1] < 0.65 * asynchronous[0],
        "asynchronous ends at the device's bound": device_s < asynchronous[2] < 1.25 * device_s,
        "asynchronous is near the longer of both": all(
            value < 1.25 * max(loading_s / count, device_s)
            for count, value in zip(READERS, asynchronous, strict=True)
        ),
    }


@pytest.mark.parametrize(
    ("pipelines", "num_frames", "holds"),
    [
        (("synchronous", "parallel"), 304, in_turn),
        # Its workers start one after another, which a short run would show.
        (("asynchronous",), 1000, ahead),
    ],
    ids=["in turn", "ahead"],
)
def test_run_times_have_the_papers_shape(
    make_video: MakeVideo,
    pipelines: tuple[str, ...],
    num_frames: int,
    holds: Callable[[Seconds, float], dict[str, bool]],
) -> None:
    video = make_video(num_frames, width=64, height=32)
    best: Seconds = {}
    found: dict[str, bool] = {}
    for _ in range(ATTEMPTS):  # both simulations sleep, so a busy machine only adds
        figures = measure_paced(
            video,
            contract=CONTRACT,
            frame_s=FRAME_S,
            device_over_loading=DEVICE_OVER_LOADING,
            readers=READERS,
            pipelines=pipelines,
        )
        for name, by_readers in figures["seconds"].items():
            seconds = [by_readers[str(count)] for count in READERS]
            best[name] = [min(pair) for pair in zip(seconds, best.get(name, seconds), strict=True)]
        found = holds(best, figures["loading_seconds_with_one_reader"])
        if all(found.values()):
            return
    raise AssertionError(f"{[part for part, held in found.items() if not held]}: {best}")


def test_a_reader_takes_its_time_and_no_longer() -> None:
    begun = time.monotonic()
    assert list(paced(iter(range(100)), 0.005)) == list(range(100))
    assert 0.5 <= time.monotonic() - begun < 0.75
