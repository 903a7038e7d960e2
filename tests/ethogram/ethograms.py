"""Ethograms that hypothesis draws: any runs, gaps, frame times and labels."""

from datetime import datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tests.ethogram.synthetic import HOMECAGE9, contract_of

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.smoothing import NO_SMOOTHING

MODEL = {"name": "tiny_fp32", "version": "1", "engine": "openvino", "contract": {}}
RUN: dict[str, Any] = {"complete": True, "model": MODEL}


@st.composite
def ethograms(
    draw: st.DrawFn,
    *,
    labels: tuple[str, ...] = HOMECAGE9,
    name: str = "mouse.mp4",
    longest_run_us: int = 3_000_000_000,
) -> Ethogram:
    """Up to 40 runs of any length, of which some are unscored; frames are timed as they like."""
    reasons = [(UNSCORED, status) for status in Status if status]
    kinds = [*((code, Status.SCORED) for code in range(len(labels))), *reasons]
    runs = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=40))
    runs = [run for at, run in enumerate(runs) if at == 0 or run != runs[at - 1]]
    lengths = draw(st.lists(st.integers(1, longest_run_us), min_size=len(runs), max_size=len(runs)))
    start_us = draw(st.integers(0, 10_000_000_000))
    codes = np.array([code for code, _ in runs], np.int16)
    return Ethogram(
        name=name,
        labels=labels,
        first_frames=np.arange(len(runs) + 1, dtype=np.int64),
        times_us=start_us + np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        codes=codes,
        statuses=np.array([status for _, status in runs], np.uint8),
        scores=np.where(codes == UNSCORED, np.nan, 0.8),
        fps=30.0,
        recorded_at=draw(st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))),
        smoothing=NO_SMOOTHING,
        run=RUN | {"contract": contract_of(labels)},
    )
