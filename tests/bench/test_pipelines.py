"""The paper's pipelines read, ask and compare as they say."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.conftest import MakeVideo, read_number

from i3d_bench.bench.agreement import may_differ
from i3d_bench.bench.clients import HeldProcess
from i3d_bench.bench.errors import PipelineError
from i3d_bench.bench.opencv_reader import SegmentReader
from i3d_bench.bench.pipeline_run import Run
from i3d_bench.bench.plan import Configuration, default_cores, interleaved, plan
from i3d_bench.bench.subject import take_subject
from i3d_bench.bench.synchronous import run_parallel, run_synchronous
from i3d_bench.bench.verification import Verification
from i3d_bench.number_network import number_contract, read_window, write_number_model
from i3d_client.access import Access
from i3d_client.contract import ModelContract
from i3d_server.launcher import embedded_server

CONTRACTS = {
    "overlapping": number_contract(clip_frames=16, stride=4, windows=3),
    "every_frame": number_contract(clip_frames=16, stride=1, windows=8),
    "back_to_back": number_contract(clip_frames=16, stride=16, windows=2),
    "one_window": number_contract(clip_frames=20, stride=7, windows=1),
}
MODEL = "numbers_fp32"


@contextmanager
def served(contract: ModelContract, folder: Path) -> Iterator[Access]:
    write_number_model(folder, MODEL, contract)
    with embedded_server(repository=folder) as address:
        yield Access(server=address)


@pytest.mark.parametrize("name", CONTRACTS)
def test_segments_are_those_of_the_contract(name: str, make_video: MakeVideo) -> None:
    contract = CONTRACTS[name]
    video = make_video(130)
    subject = take_subject(video, contract, windows=None)
    advance = contract.windows_per_segment * contract.stride
    for first in (0, 2):
        with SegmentReader(
            video, contract, num_frames=subject.num_frames, first_segment=first
        ) as reader:
            for segment in range(first, subject.segments):
                numbers = [read_number(frame) for frame in reader.read()]
                wanted = segment * advance + np.arange(contract.segment_frames)
                assert numbers == np.minimum(wanted, subject.num_frames - 1).tolist()


def test_a_picture_comes_to_the_geometry_by_the_rule(make_video: MakeVideo) -> None:
    contract = ModelContract.from_json(
        number_contract()
        .to_json()
        .replace(
            '"resize":{"rule":"stretch"}',
            '"resize":{"rule":"short_side_centre_crop","short_side":48}',
        )
    )
    video = make_video(40, width=256, height=128)
    with SegmentReader(video, contract, num_frames=40) as reader:
        frame = reader.read()[7]
    capture = cv2.VideoCapture(str(video))
    capture.set(cv2.CAP_PROP_POS_FRAMES, 7)
    _, picture = capture.read()
    whole = cv2.cvtColor(cv2.resize(picture, (96, 48)), cv2.COLOR_BGR2GRAY)
    np.testing.assert_array_equal(frame[..., 0], whole[8:40, 32:64])


def test_a_subject_has_whole_windows_and_no_tail(make_video: MakeVideo) -> None:
    contract = CONTRACTS["overlapping"]
    video = make_video(103)
    whole = take_subject(video, contract, windows=None)
    assert (whole.windows, whole.num_frames) == (22, 100)
    assert whole.stop_s == pytest.approx(99.5 / 30)
    part = take_subject(video, contract, windows=5)
    assert (part.windows, part.num_frames, part.segments) == (5, 32, 2)
    exact = take_subject(make_video(100, name="exact.mp4"), contract, windows=None)
    assert (exact.num_frames, exact.stop_s) == (100, None)


@pytest.mark.parametrize("name", ["overlapping", "one_window"])
def test_every_window_is_asked_for_in_order(
    name: str, make_video: MakeVideo, tmp_path: Path
) -> None:
    contract = CONTRACTS[name]
    subject = take_subject(make_video(140), contract, windows=None)
    expected = [
        (k * contract.stride, k * contract.stride + contract.clip_frames - 1)
        for k in range(subject.windows)
    ]
    with served(contract, tmp_path / "repository") as access:
        for pipeline, readers, (batch, request) in itertools.product(
            (run_synchronous, run_parallel), (1, 3), ((1, 1), (4, 4), (4, 2), (3, 2))
        ):
            run = Run(
                subject=subject,
                access=access,
                model=MODEL,
                cores=1,
                batch_segments=batch,
                request_segments=request,
                readers=readers,
                traced=True,
            )
            outcome = pipeline(run)
            assert [read_window(row) for row in outcome.probabilities] == expected
            rows = {one.row for one in outcome.intervals if one.what == "load"}
            assert len(rows) == (readers if pipeline is run_parallel else 1)
            loads = [one for one in outcome.intervals if one.what == "load"]
            requests = [one for one in outcome.intervals if one.what == "request"]
            assert all(  # what makes them synchronous
                load.stop_ns <= request.start_ns or request.stop_ns <= load.start_ns
                for load, request in itertools.product(loads, requests)
            )


def test_a_request_that_is_refused_is_said(make_video: MakeVideo, tmp_path: Path) -> None:
    contract = CONTRACTS["one_window"]
    subject = take_subject(make_video(140), contract, windows=None)
    with served(contract, tmp_path / "repository") as access, HeldProcess(1) as process:
        run = Run(
            subject=subject,
            access=access,
            model=MODEL,
            cores=1,
            batch_segments=8,
            request_segments=8,  # the server takes 4
        )
        with pytest.raises(PipelineError, match="batch-size must be <= 4"):
            process.call(run_synchronous, run)


def test_configurations_are_interleaved_and_each_begins_a_round() -> None:
    jobs = list(range(6))
    order = list(interleaved(jobs, 3))
    assert [sorted(order[first : first + 6]) for first in (0, 6, 12)] == [jobs] * 3
    assert [order[first] for first in (0, 6, 12)] == [0, 2, 4]


def test_tensorflow_is_measured_at_fp32_alone() -> None:
    found = plan(
        pipelines=("asynchronous", "tf_parallel"),
        precisions=("int8", "fp16"),
        cores=(1, 2),
        videos=2,
    )
    assert len(found) == len(set(found)) == 2 * 2 * (2 + 1)
    assert {one.precision for one in found if one.in_tensorflow} == {"fp32"}


def test_default_cores_end_with_all() -> None:
    assert [default_cores(n) for n in (1, 2, 6, 8)] == [(1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8)]


SYNCHRONOUS = Configuration("synchronous", "fp32", 1, 0)
PARALLEL = SYNCHRONOUS._replace(pipeline="parallel")
ASYNCHRONOUS = SYNCHRONOUS._replace(pipeline="asynchronous")
INT8 = SYNCHRONOUS._replace(precision="int8")


def answers(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((40, 5), np.float32) ** 8
    return values / values.sum(1, keepdims=True)


def verified(*configurations: Configuration, **found: object) -> Verification:
    def execute(one: Configuration) -> np.ndarray:
        given = found.get(one.pipeline if one.precision == "fp32" else one.precision, answers())
        if isinstance(given, Exception):
            raise given
        assert isinstance(given, np.ndarray)
        return given

    return Verification(configurations, execute)


def test_right_answers_are_timed_and_their_agreement_is_kept() -> None:
    noise = np.random.default_rng(1).normal(0, 0.005, (40, 5)).astype(np.float32)
    found = verified(
        SYNCHRONOUS,
        PARALLEL,
        ASYNCHRONOUS,
        INT8,
        asynchronous=answers() + noise,
        int8=answers() + noise,
    )
    assert found.passed == [SYNCHRONOUS, PARALLEL, ASYNCHRONOUS, INT8]
    agreement = found.agreement()
    assert agreement["parallel_vs_synchronous"]["largest_difference"] == 0
    assert 0 < agreement["asynchronous_vs_synchronous"]["mean_difference_of_first"] < 0.01
    assert agreement["int8"]["windows"] == 40


@pytest.mark.parametrize("one", [PARALLEL, ASYNCHRONOUS, INT8])
def test_wrong_answers_are_not_timed(one: Configuration) -> None:
    wrong = np.roll(answers(), 1, axis=0)  # each window's answer is its neighbour's
    name = one.precision if one is INT8 else one.pipeline
    found = verified(SYNCHRONOUS, one, **{name: wrong})
    assert found.passed == [SYNCHRONOUS]
    assert "answers are not those of" in found.refused[one]


@pytest.mark.parametrize(("decided", "allowed"), [(0, 0), (1, 0), (3, 1), (48, 3), (1000, 28)])
def test_as_many_decided_windows_may_differ_as_two_percent_give_by_chance(
    decided: int, allowed: int
) -> None:
    assert may_differ(decided) == allowed


@pytest.mark.parametrize(("wrong", "timed"), [(3, True), (4, False)])
def test_a_precision_is_timed_unless_more_windows_differ(wrong: int, timed: bool) -> None:
    sure = np.full((48, 5), 0.12, np.float32)
    sure[:, 0] = 0.52
    other = sure.copy()
    other[:wrong, :2] = 0.12, 0.52
    found = verified(SYNCHRONOUS, INT8, synchronous=sure, int8=other)
    assert (INT8 in found.passed) is timed
    assert timed or "4 have another first class, where 3 may" in found.refused[INT8]


def test_too_few_answers_and_no_numbers_are_not_timed() -> None:
    broken = answers()
    broken[3, 2] = np.nan
    found = verified(
        SYNCHRONOUS, PARALLEL, ASYNCHRONOUS, parallel=answers()[:-1], asynchronous=broken
    )
    assert "shape (40, 5)" in found.refused[PARALLEL]
    assert "not numbers" in found.refused[ASYNCHRONOUS]


def test_a_pipeline_that_fails_is_named_and_the_others_go_on() -> None:
    found = verified(SYNCHRONOUS, PARALLEL, ASYNCHRONOUS, parallel=PipelineError("no such thing"))
    assert found.passed == [SYNCHRONOUS, ASYNCHRONOUS]
    assert found.refused == {PARALLEL: "no such thing"}


def test_without_a_reference_nothing_is_timed() -> None:
    found = verified(SYNCHRONOUS, PARALLEL, synchronous=PipelineError("cannot open it"))
    assert found.passed == []
    assert found.refused[PARALLEL].endswith("synchronous failed: cannot open it")


def test_a_timed_run_with_other_answers_is_refused() -> None:
    found = verified(SYNCHRONOUS)
    found.require_same(SYNCHRONOUS, answers())
    with pytest.raises(PipelineError, match="the run before it was timed"):
        found.require_same(SYNCHRONOUS, answers(1))
