"""The page in a browser: what it draws, what it shows, and what it does not ask for."""

import base64
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.conftest import read_number, write_video
from tests.ethogram.report_pages import Opened, of_video, opened
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram, random_bouts

from i3d_client.frame_status import Status
from i3d_ethogram.colours import UNSCORED_COLOUR, colours_of
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.metadata import RecordingMetadata
from i3d_ethogram.page.report_data import write_report

BOUTS = [("rest", 5), ("groom", 2), ("sniff", 3), ("eat", 10), ("drink", 10)]
HOUR_US = 3_600_000_000
COLOURS = colours_of(HOMECAGE9)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def shown_number(page: Opened) -> int:
    """Read the number of the frame that the video shows."""
    video = page.page.locator("#viewer video")
    page.wait_until(
        "(v => v.readyState >= 2 && !v.seeking)(document.querySelector('#viewer video'))"
    )
    video.evaluate("video => { video.controls = false; }")
    page.page.wait_for_timeout(300)
    picture = cv2.imdecode(np.frombuffer(video.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    return read_number(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA))


def test_a_click_on_a_bout_shows_the_video_at_its_first_frame(out: Path, tmp_path: Path) -> None:
    (tmp_path / "vidéos, all").mkdir()
    video = write_video(tmp_path / "vidéos, all" / "mouse #1?.mp4", 900)
    ethogram = of_video(make_ethogram(BOUTS), video)
    with opened(write_report(out, [ethogram])) as page:
        rest_of_row = page.canvas().bounding_box()["width"] - 64 - 6
        page.canvas().click(position={"x": 64 + rest_of_row * 6 / 30, "y": 10})
        # A long bout is entered where it was clicked; at 6 s of 30, to a pixel.
        assert abs(shown_number(page) - 180) <= 2
        page.page.locator("#viewer-after").click()
        assert shown_number(page) == 210
        assert "sniff" in page.page.locator("#viewer-title").text_content()
        page.page.locator("#viewer-before").click()
        assert shown_number(page) == 150
        page.screenshot("video")
        files = {path for path in page.requests if not path.startswith("data:")}
        assert files == {f"file://{out}/report.html", f"file://{video}"}


def test_a_video_of_another_rate_and_of_two_files_is_found_at_the_frame(
    out: Path, tmp_path: Path
) -> None:
    rate = Fraction(30000, 1001)
    first = write_video(tmp_path / "a.mp4", 400, rate=rate)
    second = write_video(tmp_path / "b.mp4", 500, rate=rate)
    ethogram = make_ethogram(BOUTS, fps=rate)
    ethogram = of_video(ethogram, first, second, frames=[400, 500])
    start_frame = int(ethogram.first_frames[4])
    with opened(write_report(out, [ethogram])) as page:
        page.canvas().focus()
        page.canvas().press("End")
        page.canvas().press("Enter")
        assert shown_number(page) == start_frame - 400
        page.canvas().press("ArrowLeft")
        page.canvas().press("Enter")
        assert shown_number(page) == int(ethogram.first_frames[3])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "vp8")])
def test_a_file_whose_timestamps_do_not_begin_at_0(
    out: Path, tmp_path: Path, name: str, codec: str
) -> None:
    coder = {"h264": "libx264", "vp8": "libvpx"}[codec]
    video = write_video(tmp_path / name, 900, codec=coder, ticks=range(60, 960))
    ethogram = of_video(make_ethogram(BOUTS), video, codec=codec, first_timestamp_s=2.0)
    with opened(write_report(out, [ethogram])) as page:
        page.canvas().focus()
        page.canvas().press("Home")
        page.canvas().press("ArrowRight")
        page.canvas().press("Enter")
        assert shown_number(page) == 150


def test_every_bout_can_be_reached_by_the_keyboard(out: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "mouse.mp4", 900)
    bouts = [BOUTS[0], (Status.LOST, 0.5), *BOUTS[1:]]
    ethogram = of_video(make_ethogram(bouts), video)
    with opened(write_report(out, [ethogram])) as page:
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.className") == "skip"
        page.canvas().focus()
        page.canvas().press("Home")
        seen = [
            (page.canvas().get_attribute("data-label"), page.canvas().get_attribute("data-start"))
        ]
        for _ in range(4):
            page.canvas().press("ArrowRight")
            seen.append(
                (
                    page.canvas().get_attribute("data-label"),
                    page.canvas().get_attribute("data-start"),
                )
            )
        scored = ethogram.scored
        starts = ethogram.times_us[:-1][scored].tolist()
        assert seen == [(label, str(us)) for (label, _), us in zip(BOUTS, starts, strict=True)]
        assert "drink" in page.canvas().get_attribute("aria-valuetext")
        page.canvas().press("Enter")
        assert shown_number(page) == int(ethogram.first_frames[:-1][scored][-1])
        page.page.keyboard.press("Escape")
        assert page.page.locator("#viewer").is_hidden()
        assert page.page.evaluate("document.activeElement.tagName") == "CANVAS"


def test_up_and_down_go_to_the_hour_before_and_after(out: Path) -> None:
    hour = [("rest", 1800), ("walk", 1800)]
    ethogram = make_ethogram([*hour, ("eat", 1800), ("drink", 1800), *hour])
    with opened(write_report(out, [ethogram])) as page:
        page.canvas().focus()
        page.canvas().press("Home")
        for key, label in [("ArrowDown", "eat"), ("ArrowDown", "rest"), ("ArrowUp", "eat")]:
            page.canvas().press(key)
            assert page.canvas().get_attribute("data-label") == label


@pytest.mark.parametrize("clock", [None, datetime(2026, 3, 3, 14, 20, 5)])
def test_what_is_drawn_is_what_was_found(out: Path, clock: datetime | None) -> None:
    bouts = [(Status.BEFORE_FIRST, 30), *random_bouts(3 * 3600, seed=3), (Status.LOST, 90)]
    ethogram = make_ethogram(bouts, recorded_at=clock)
    offset_us = 0 if clock is None else (20 * 60 + 5) * 1_000_000
    with opened(write_report(out, [ethogram])) as page:
        width = page.canvas().bounding_box()["width"]
        left = 64 if clock is None else 84
        pitch = 34
        checked = 0
        for run in range(len(ethogram.codes)):
            start, stop = (ethogram.times_us[run : run + 2] + offset_us).tolist()
            if stop - start < 20_000_000 or start // HOUR_US != (stop - 1) // HOUR_US:
                continue  # shorter than a few pixels, or in two rows
            row = start // HOUR_US
            code = ethogram.codes[run]
            expected = UNSCORED_COLOUR if code < 0 else COLOURS[ethogram.labels[code]]
            columns = int(width - left - 6)
            first, last = (left + columns * (us - row * HOUR_US) / HOUR_US for us in (start, stop))
            for x in (first + 1.1, last - 1.1):  # within a pixel of where it begins and ends
                assert page.pixel(x, row * pitch + pitch / 2) == expected, (run, row)
            checked += 1
        assert checked > 60


def test_a_behaviour_alone_is_seen_however_short(out: Path) -> None:
    ethogram = make_ethogram([("rest", 1800), ("drink", 0.2), ("rest", 1799.8)])
    with opened(write_report(out, [ethogram])) as page:
        x = 64 + (page.canvas().bounding_box()["width"] - 70) / 2 + 0.5
        assert page.pixel(x, 17) == COLOURS["rest"]
        page.page.get_by_role("button", name="drink", exact=True).click()
        assert page.pixel(x, 17) != COLOURS["rest"]
        drawn = [int(page.pixel(x, 17)[at : at + 2], 16) for at in (1, 3, 5)]
        assert drawn[2] > drawn[0]  # blue
        page.canvas().focus()
        page.canvas().press("Home")
        assert page.canvas().get_attribute("data-label") == "drink"
        page.page.get_by_role("button", name="drink", exact=True).click()
        page.page.mouse.move(0, 0)
        assert page.pixel(100, 17) == COLOURS["rest"]


def test_where_a_browser_cannot_play_the_file_pictures_of_the_bout_are_shown(
    out: Path, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "mouse.avi", 900, codec="mpeg4")
    ethogram = of_video(make_ethogram(BOUTS), video, codec="mpeg4")
    with opened(write_report(out, [ethogram])) as page:
        page.canvas().focus()
        page.canvas().press("Home")
        page.canvas().press("ArrowRight")
        page.canvas().press("Enter")
        sources = page.page.locator("#viewer img").evaluate_all("all => all.map(one => one.src)")
        loaded = page.page.locator("#viewer img").evaluate_all(
            "all => all.map(one => one.naturalWidth)"
        )
        assert all(width > 100 for width in loaded)
        numbers = [number_of_jpeg(base64.b64decode(source.split(",")[1])) for source in sources]
        assert numbers == [156, 168, 180, 192, 204]
        assert "browsers do not play mpeg4" in page.page.locator("#viewer-note").text_content()


def number_of_jpeg(jpeg: bytes) -> int:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return read_number(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA))


def test_without_a_video_the_page_says_why(out: Path) -> None:
    with opened(write_report(out, [make_ethogram(BOUTS)])) as page:
        page.canvas().focus()
        page.canvas().press("Enter")
        assert "/videos/mouse.mp4 is not there" in page.page.locator("#viewer-note").text_content()


def test_a_broken_video_is_said_to_be_broken(out: Path, tmp_path: Path) -> None:
    video = tmp_path / "mouse.mp4"
    video.write_bytes(b"no video")
    with opened(write_report(out, [of_video(make_ethogram(BOUTS), video)])) as page:
        page.canvas().focus()
        page.canvas().press("Enter")
        page.page.get_by_text("The browser cannot play").wait_for()


def test_a_row_of_a_table_leads_to_the_video(out: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "mouse.webm", 900, codec="libvpx")
    ethogram = of_video(make_ethogram(BOUTS), video, codec="vp8")
    with opened(write_report(out, [ethogram])) as page:
        page.page.locator("details.bouts summary").click()
        page.page.get_by_role("button", name="Show eat at 0:00:10.0").click()
        assert shown_number(page) == 300


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "=cmd()",
    "a,b</script x",
]


def test_names_are_text_whatever_is_in_them(out: Path) -> None:
    bouts = [(label, 3) for label in HOSTILE]
    ethograms = [
        make_ethogram(bouts, labels=HOSTILE, name=name)
        for name in [*HOSTILE, "a\nb", "caf\udce9.mp4"]
    ]
    with opened(write_report(out, ethograms, title="</title><script>alert(3)</script>")) as page:
        assert page.page.locator("h1").text_content() == "</title><script>alert(3)</script>"
        names = page.page.locator("section.animal h2").all_text_contents()
        assert names == [*HOSTILE, "a\\nb", "caf\\xe9.mp4"]
        assert page.page.locator("img, script:not([id])").count() == 1
        page.canvas().focus()
        page.canvas().press("Home")
        assert HOSTILE[0] in page.page.locator("#a0 .readout").text_content()


def test_the_policy_lets_no_script_fetch_anything(out: Path) -> None:
    page_path = write_report(out, [make_ethogram(BOUTS)])
    with opened(page_path) as page:
        refused = page.page.evaluate(
            """async () => {
                try { await fetch("report.html"); return "fetched"; } catch { return "refused"; }
            }"""
        )
        assert refused == "refused"
        assert page.complaints
        assert all("Content Security Policy" in text or "fetch" in text for text in page.complaints)
        page.complaints.clear()


def test_dark_by_preference_and_by_hand(out: Path) -> None:
    path = write_report(out, [make_ethogram(BOUTS)])
    ground = "getComputedStyle(document.body).backgroundColor"
    for scheme, first, other in [
        ("light", "rgb(255, 255, 255)", "rgb(22, 24, 29)"),
        ("dark", "rgb(22, 24, 29)", "rgb(255, 255, 255)"),
    ]:
        with opened(path, color_scheme=scheme) as page:
            assert page.page.evaluate(ground) == first
            page.page.locator("#theme").click()
            assert page.page.evaluate(ground) == other
            # The raster's letters have changed with it.
            page.screenshot(f"toggled-from-{scheme}")


def test_it_prints_in_black_on_white_with_every_raster(out: Path) -> None:
    ethograms = [
        make_ethogram([("eat", 60), *random_bouts(7200, seed=seed)], name=f"m{seed}.mp4")
        for seed in (1, 2, 4, 5, 6, 7)
    ]
    with opened(write_report(out, ethograms), color_scheme="dark") as page:
        page.page.emulate_media(media="print")
        page.page.wait_for_timeout(500)
        assert page.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
        assert page.page.locator("nav").is_hidden()
        for animal in range(len(ethograms)):
            assert page.pixel(70, 10, animal=animal) == COLOURS["eat"]
        assert page.page.pdf().startswith(b"%PDF")


def test_the_table_of_recordings_is_sorted_by_a_heading(out: Path) -> None:
    lengths = [300, 20, 4000]
    ethograms: list[Ethogram] = [
        make_ethogram([("rest", seconds)], name=f"m{seconds}.mp4") for seconds in lengths
    ]
    with opened(write_report(out, ethograms)) as page:
        page.page.get_by_role("button", name="Duration").click()
        names = [row[0] for row in page.table("table.overview")]
        assert names == ["m20.mp4", "m300.mp4", "m4000.mp4"]
        page.page.get_by_role("button", name="Duration").click()
        names = [row[0] for row in page.table("table.overview")]
        assert names == ["m4000.mp4", "m300.mp4", "m20.mp4"]


def test_cells_stand_for_many_bouts_and_still_lead_to_the_video(out: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "mouse.mp4", 9000, width=64, height=64)
    short = [("walk", 0.05), ("rear", 0.05)] * 2600
    ethogram = of_video(make_ethogram([("rest", 100), ("eat", 40), *short]), video)
    with opened(write_report(out, [ethogram])) as page:
        assert "in cells of 1 s" in page.page.locator("#provenance").text_content()
        page.canvas().focus()
        page.canvas().press("Home")
        page.canvas().press("ArrowRight")
        assert page.canvas().get_attribute("data-label") == "eat"
        assert page.canvas().get_attribute("data-start") == "100000000"
        page.canvas().press("Enter")
        assert shown_number(page) == 3000
        assert all(row[0] != "sniff" for row in page.table("details.bouts table"))


def test_a_day_is_drawn_in_rows_of_hours_or_of_days(out: Path) -> None:
    hours = [("rest", 3600), ("eat", 3600)] * 15
    ethogram = make_ethogram(hours, recorded_at=datetime(2026, 3, 3, 22), fps=Fraction(1))
    with opened(write_report(out, [ethogram])) as page:
        column = (page.canvas().bounding_box()["width"] - 90) / 24
        # 22:00 and 23:00 of the first day, then two whole days begun at midnight.
        assert page.pixel(84 + column * 22.5, 10) == COLOURS["rest"]
        assert page.pixel(84 + column * 23.5, 10) == COLOURS["eat"]
        assert page.pixel(84 + column * 0.5, 34 + 10) == COLOURS["rest"]
        assert page.pixel(84 + column * 3.5, 68 + 10) == COLOURS["eat"]
        page.screenshot("days")
        page.page.locator("#a0 select.rows").select_option("hour")
        assert page.pixel(90, 5) == COLOURS["rest"]
        assert page.pixel(84 + column * 22.5, 21 + 10) == COLOURS["eat"]


def test_bouts_of_files_that_overlap_a_little_are_reached_in_order_of_time(out: Path) -> None:
    began = datetime(2026, 3, 3, 10)
    first = make_ethogram(
        [("rest", 3599), ("eat", 1.2), ("groom", 0.4)], name="1.mp4", recorded_at=began
    )
    second = make_ethogram(
        [("walk", 0.4), ("rear", 60)], name="2.mp4", recorded_at=began + timedelta(hours=1)
    )
    metadata = RecordingMetadata(
        columns=("animal",), rows={name: {"animal": "m"} for name in ("1.mp4", "2.mp4")}
    )
    with opened(write_report(out, [second, first], metadata=metadata)) as page:
        # By the clock: the second file's time is in the row of its hour.
        assert page.pixel(500, 34 // 2) == COLOURS["rest"]
        assert page.pixel(84 + 5, 34 + 10) == COLOURS["rear"]
        there = ["rest", "eat", "walk", "groom", "rear"]
        page.canvas().focus()
        page.canvas().press("Home")
        labels = [page.canvas().get_attribute("data-label")]
        for key in ["ArrowRight"] * 4 + ["ArrowLeft"] * 4:
            page.canvas().press(key)
            labels.append(page.canvas().get_attribute("data-label"))
        assert labels == [*there, *there[-2::-1]]


def test_the_video_stops_at_the_end_of_the_bout(out: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "mouse.mp4", 900)
    ethogram = of_video(make_ethogram(BOUTS), video)
    with opened(write_report(out, [ethogram]), reduced_motion="no-preference") as page:
        page.canvas().focus()
        page.canvas().press("Home")
        page.canvas().press("ArrowRight")
        page.canvas().press("Enter")
        page.wait_until(
            "(v => v && v.paused && v.currentTime > 6.5)(document.querySelector('#viewer video'))"
        )
        stopped = page.page.evaluate("document.querySelector('#viewer video').currentTime")
        assert 7 <= stopped < 7.6
