"""When a recording began: what is read from names, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.errors import InputError
from i3d_ethogram.recorded_at import RecordedAt


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-25T14:30:00", datetime(2026, 11, 25, 14, 30)),
        ("2026-11-25 14:30", datetime(2026, 11, 25, 14, 30)),
        ("20261125T143000.5", datetime(2026, 11, 25, 14, 30, 0, 500_000)),
        ("2026-11-25T14:30:00Z", datetime(2026, 11, 25, 14, 30, tzinfo=UTC)),
    ],
)
def test_a_date_and_time_is_that_of_every_recording(text: str, moment: datetime) -> None:
    assert RecordedAt.parse(text).of("any/thing.mp4") == moment


@pytest.mark.parametrize(
    ("pattern", "name", "moment"),
    [
        (
            "%Y-%m-%d_%H-%M-%S",
            "day1/cage2_2026-01-05_10-02-03.mp4",
            datetime(2026, 1, 5, 10, 2, 3),
        ),
        ("%Y%m%d%H%M%S", "GX20260105100203.mp4+4 more", datetime(2026, 1, 5, 10, 2, 3)),
        ("%y%m%d_%H%M", "mouse 7_260105_2359.avi", datetime(2026, 1, 5, 23, 59)),
        ("%d-%b-%Y %I.%M %p", "x 05-Jan-2026 10.02 PM.mkv", datetime(2026, 1, 5, 22, 2)),
        ("%Y-%j %H", "2026-032 07.mp4", datetime(2026, 2, 1, 7)),
        (
            "%Y-%m-%d_%H.%M.%S.%f",
            "2026-01-05_10.02.03.25.mp4",
            datetime(2026, 1, 5, 10, 2, 3, 250000),
        ),
        ("%Y/%m-%d/%H-%M", "lab/2026/01-05/10-02.mp4", datetime(2026, 1, 5, 10, 2)),
        ("%Y%m%d %H(%M)", "[a]20260105 10(02).mp4", datetime(2026, 1, 5, 10, 2)),
        ("c+1.%Y%m%d-%H", "cc1_20250101-00 c+1.20260105-10.mp4", datetime(2026, 1, 5, 10)),
        ("100%%_%Y%m%dT%H", "100%_20260105T10.mp4", datetime(2026, 1, 5, 10)),
        (
            "%Y%m%dT%H%M%z",
            "20260105T1002+0130.mp4",
            datetime(2026, 1, 5, 10, 2, tzinfo=timezone(timedelta(hours=1.5))),
        ),
    ],
)
def test_a_pattern_is_found_anywhere_in_a_name(pattern: str, name: str, moment: datetime) -> None:
    found = RecordedAt.parse(pattern).of(name)
    assert found == moment
    assert found.tzinfo == moment.tzinfo


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(["%Y-%m-%d_%H-%M-%S", "%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S", "%Y%jT%H%M%S"]),
    st.sampled_from(["", "cage_", "mouse 3 ", "ü"]),
    st.sampled_from(["", "_b", ".mp4", " (2)"]),
)
def test_what_was_written_by_a_pattern_is_found_by_it(
    moment: datetime, pattern: str, before: str, after: str
) -> None:
    moment = moment.replace(microsecond=0)
    name = f"{before}{moment.strftime(pattern)}{after}"
    assert RecordedAt.parse(pattern).of(name) == moment


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("%Y-%m-%d_%H-%M", "mouse.mp4"),
        ("%Y-%m-%d_%H-%M", "2026-01-05_10-00/mouse.mp4"),  # the folder's name, not the file's
        ("%H%M_%Y%m%d", "x1000_202601051.mp4"),  # digits are not cut
        ("%y%m%d_%H", "20260105_10.mp4"),
        ("%Y-%m-%d_%H-%M", "2026-13-05_10-00.mp4"),
        ("%Y-%m-%d_%H-%M", "2026-02-30_10-00.mp4"),
        ("%Y-%m-%d_%H-%M", "2026-02-20_24-00.mp4"),
        ("%Y-%m-%d_%H-%M", "a\nb\udcff.mp4"),
    ],
)
def test_a_name_that_does_not_fit_is_an_error_that_names_it_and_the_pattern(
    pattern: str, name: str
) -> None:
    with pytest.raises(InputError) as error:
        RecordedAt.parse(pattern).of(name)
    assert pattern in str(error.value)
    assert str(error.value).isprintable()
    assert name.encode("unicode_escape")[:1].decode() in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "expected 2026-"),
        ("", "expected 2026-"),
        ("2026-02-30T10:00", "day"),
        ("2026-11-25", "no time of day"),
        ("%H-%M-%S", "the year"),
        ("%Y_%H", "month and day"),
        ("%Y-%m-%d", "the hour"),
        ("%Y-%m-%d %I", "the hour"),  # morning or evening?
        ("%Y-%m-%d_%Q", "%Q.*known are"),
        ("%Y-%m-%d_%H%", "unknown directive"),
        ("%Y%Y-%m-%d_%H", "twice"),
    ],
)
def test_what_does_not_say_when_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RecordedAt.parse(text)
