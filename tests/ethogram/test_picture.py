"""Pictures: what is drawn, dot by dot; what must not happen to files, names and settings."""

import subprocess
import sys
import time
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram, random_bouts

from i3d_client.errors import MissingExtraError, OutputError
from i3d_client.frame_status import Status
from i3d_ethogram.colours import OTHER_COLOUR, UNSCORED_COLOUR, colours_of
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.pictures.picture import PNG_FILE, SVG_FILE, write_pictures
from i3d_ethogram.pictures.picture_rows import rows_of, shortened

COLOURS = colours_of(HOMECAGE9)
MANY = tuple(f"behaviour {index}" for index in range(400))
DOTS_WIDE = 1200
"""Of the part of a picture that is time."""
LEGEND_FROM = 1385


def pixels_of(folder: Path, colour: str) -> np.ndarray:
    """Where the picture has exactly this colour: (n, 2), row and column."""
    picture = cv2.imread(str(folder / PNG_FILE))
    assert picture is not None
    blue_green_red = bytes.fromhex(colour[1:])[::-1]
    return np.argwhere((picture == np.frombuffer(blue_green_red, np.uint8)).all(axis=2))


def columns_of(folder: Path, colour: str) -> np.ndarray:
    return np.unique(pixels_of(folder, colour)[:, 1])


def svg_texts(folder: Path) -> list[str]:
    tree = ElementTree.parse(folder / SVG_FILE)  # noqa: S314 - our own file
    return ["".join(text.itertext()) for text in tree.iter("{http://www.w3.org/2000/svg}text")]


def svg_shapes(folder: Path) -> int:
    tree = ElementTree.parse(folder / SVG_FILE)  # noqa: S314 - our own file
    return sum(element.tag.endswith(("path", "use")) for element in tree.iter())


def test_a_raster_has_each_bout_in_its_behaviours_row_at_its_time(tmp_path: Path) -> None:
    bouts = [("rest", 30.0), ("walk", 20.0), ("drink", 10.0)]
    write_pictures(tmp_path, make_ethogram(bouts))
    rest, walk, drink = (columns_of(tmp_path, COLOURS[label]) for label, _ in bouts)
    assert len(rest) == pytest.approx(DOTS_WIDE * 30 / 60, abs=3)
    assert len(walk) == pytest.approx(DOTS_WIDE * 20 / 60, abs=3)
    assert len(drink) == pytest.approx(DOTS_WIDE * 10 / 60, abs=3)
    assert 0 <= walk.min() - rest.max() <= 3
    assert 0 <= drink.min() - walk.max() <= 3
    rows = [pixels_of(tmp_path, COLOURS[label])[:, 0].mean() for label in ("drink", "rest", "walk")]
    assert rows == sorted(rows)  # in the contract's order, from the top
    assert not len(pixels_of(tmp_path, COLOURS["groom"]))


def test_unscored_frames_have_a_row_of_their_own(tmp_path: Path) -> None:
    write_pictures(tmp_path, make_ethogram([("rest", 45.0), (Status.LOST, 15.0)]))
    unscored = columns_of(tmp_path, UNSCORED_COLOUR)
    assert len(unscored) == pytest.approx(DOTS_WIDE / 4, abs=3)
    assert unscored.min() >= columns_of(tmp_path, COLOURS["rest"]).max()
    assert "25.0 % unscored" in svg_texts(tmp_path)[-1]


def test_a_bout_too_short_for_a_dot_is_seen(tmp_path: Path) -> None:
    write_pictures(tmp_path, make_ethogram([("rest", 1800.0), ("drink", 0.1), ("walk", 1700.0)]))
    assert 1 <= len(columns_of(tmp_path, COLOURS["drink"])) <= 3


def test_of_thousands_of_bouts_the_rows_still_show_the_time_of_each(tmp_path: Path) -> None:
    quick = [("walk", 0.1), ("rear", 0.1)] * 3000
    ethogram = make_ethogram([("rest", 600.0), *quick, ("rest", 600.0)])
    write_pictures(tmp_path, ethogram)
    assert len(columns_of(tmp_path, COLOURS["rest"])) == pytest.approx(DOTS_WIDE * 2 / 3, abs=4)
    # Walking takes half of each bin's time, so its row is half as strong there; none is full.
    assert not len(pixels_of(tmp_path, COLOURS["walk"]))
    picture = cv2.imread(str(tmp_path / PNG_FILE))
    rest, half = pixels_of(tmp_path, COLOURS["rest"]), np.array([127.5, 127.5, 210])
    middle = picture[:, int(rest[:, 1].mean())].astype(int)
    assert (np.abs(middle - half).max(axis=1) <= 8).sum() >= 20
    assert svg_shapes(tmp_path) < 300


def test_a_long_recording_has_a_strip_an_hour(tmp_path: Path) -> None:
    write_pictures(tmp_path, make_ethogram([("rest", 3600.0), ("walk", 1800.0)]))
    rest, walk = (pixels_of(tmp_path, COLOURS[label]) for label in ("rest", "walk"))
    strips = rest[rest[:, 1] < LEGEND_FROM], walk[walk[:, 1] < LEGEND_FROM]  # without the legend
    assert len(np.unique(strips[0][:, 1])) == pytest.approx(DOTS_WIDE, abs=2)
    assert len(np.unique(strips[1][:, 1])) == pytest.approx(DOTS_WIDE / 2, abs=2)
    assert strips[0][:, 0].max() < strips[1][:, 0].min()
    assert {"hour 0", "hour 1", "rest  66.7 %", "walk  33.3 %"} <= set(svg_texts(tmp_path))


def test_strips_follow_the_clock_if_it_is_known(tmp_path: Path) -> None:
    began = datetime(2026, 11, 25, 22, 45)
    write_pictures(tmp_path, make_ethogram([("rest", 900.0), ("walk", 5400.0)], recorded_at=began))
    rest, walk = (pixels_of(tmp_path, COLOURS[label]) for label in ("rest", "walk"))
    rest, walk = rest[rest[:, 1] < LEGEND_FROM], walk[walk[:, 1] < LEGEND_FROM]
    assert len(np.unique(rest[:, 1])) == pytest.approx(DOTS_WIDE / 4, abs=2)
    assert rest[:, 1].min() == pytest.approx(walk[:, 1].min() + DOTS_WIDE * 3 / 4, abs=2)
    texts = svg_texts(tmp_path)
    assert {"2026-11-25 22:00", "23:00", "2026-11-26 00:00"} <= set(texts)
    assert any("recorded 2026-11-25 22:45:00" in text for text in texts)


def test_a_column_of_a_strip_is_divided_by_time(tmp_path: Path) -> None:
    thirds = [("drink", 1.0), ("walk", 2.0)] * 2000  # a dot is 3 s
    write_pictures(tmp_path, make_ethogram(thirds))
    drink, walk = (pixels_of(tmp_path, COLOURS[label]) for label in ("drink", "walk"))
    drink, walk = drink[drink[:, 1] < LEGEND_FROM], walk[walk[:, 1] < LEGEND_FROM]
    assert len(drink) / (len(drink) + len(walk)) == pytest.approx(1 / 3, abs=0.04)


def test_a_raster_tells_the_time_of_day_if_it_is_known(tmp_path: Path) -> None:
    began = datetime(2026, 11, 25, 23, 59, 30)
    write_pictures(tmp_path, make_ethogram([("rest", 70.0)], recorded_at=began))
    texts = svg_texts(tmp_path)
    assert {"23:59:40", "00:00:00", "time of day (from 2026-11-25)"} <= set(texts)
    assert len(columns_of(tmp_path, COLOURS["rest"])) == pytest.approx(DOTS_WIDE, abs=2)


def test_a_raster_counts_from_the_first_frame_otherwise(tmp_path: Path) -> None:
    write_pictures(tmp_path, make_ethogram([("rest", 300.0)]))
    assert {"0:00", "1:00", "5:00"} <= set(svg_texts(tmp_path))


def test_an_incomplete_recording_says_so(tmp_path: Path) -> None:
    whole = make_ethogram([("rest", 3.0)])
    part = Ethogram(**{**vars(whole), "run": {**whole.run, "complete": False}})
    write_pictures(tmp_path, part)
    assert any("INCOMPLETE" in text for text in svg_texts(tmp_path))


def test_of_400_labels_those_with_the_most_time_are_shown() -> None:
    bouts = [(MANY[3 * index], 40.0 - index) for index in range(30)]
    rows = rows_of(make_ethogram(bouts, labels=MANY))
    assert [row.name for row in rows] == [
        *(MANY[3 * index] for index in range(12)),
        "18 other behaviours",
        "unscored",
    ]
    assert rows[-2].time_us == sum(40 - index for index in range(12, 30)) * 1_000_000
    assert len({row.colour for row in rows}) == 14
    assert rows[-2].colour == OTHER_COLOUR


def test_of_400_labels_the_few_that_occur_are_all_shown() -> None:
    bouts = [(MANY[3 * index], 40.0 - index) for index in range(12)]
    rows = rows_of(make_ethogram(bouts, labels=MANY))
    assert [row.name for row in rows] == [*(MANY[3 * index] for index in range(12)), "unscored"]


def test_rows_add_up_to_the_recording() -> None:
    ethogram = make_ethogram(random_bouts(7000, labels=MANY), labels=MANY)
    assert sum(row.time_us for row in rows_of(ethogram)) == ethogram.duration_us


def test_a_day_takes_seconds_and_little_room(tmp_path: Path) -> None:
    ethogram = make_ethogram(random_bouts(86400, mean_s=2), recorded_at=datetime(2026, 1, 1, 8, 30))
    assert len(ethogram.codes) > 20_000
    began = time.monotonic()
    write_pictures(tmp_path, ethogram)
    assert time.monotonic() - began < 5
    for name in (PNG_FILE, SVG_FILE):
        assert 10_000 < (tmp_path / name).stat().st_size < 2_000_000
    assert svg_shapes(tmp_path) < 300


def test_days_stay_a_picture_that_opens(tmp_path: Path) -> None:
    days = make_ethogram([("rest", 43200.0), ("walk", 43200.0)] * 5, fps=Fraction(1))
    write_pictures(tmp_path, days)
    picture = cv2.imread(str(tmp_path / PNG_FILE))
    assert 2000 < picture.shape[0] < 2500
    rest, walk = (pixels_of(tmp_path, COLOURS[label]) for label in ("rest", "walk"))
    rest, walk = rest[rest[:, 1] < LEGEND_FROM], walk[walk[:, 1] < LEGEND_FROM]
    assert len(rest) == pytest.approx(len(walk), rel=0.02)


def test_what_made_a_picture_stands_in_it(tmp_path: Path) -> None:
    made_by = "model homecage9_fp32 version 1, openvino, fp32; smoothing {"
    write_pictures(tmp_path, make_ethogram([("rest", 5.0)]))
    assert made_by.encode() in (tmp_path / PNG_FILE).read_bytes()
    assert made_by in (tmp_path / SVG_FILE).read_text()


@pytest.mark.parametrize("duration_s", [60, 8000])
def test_names_of_any_kind_are_shown_as_they_are(tmp_path: Path, duration_s: float) -> None:
    labels = (
        "<script>alert(1)</script>",
        "=cmd()|' /C calc'!A0",
        "$\\frac{a}{b}$",
        "höhle, 巣 & 'q'",
    )
    bouts = [(label, duration_s / 4) for label in labels]
    name = "cage 1/<b>$x^2$ & 鼠\n\udce4.mp4"
    write_pictures(tmp_path, make_ethogram(bouts, labels=labels, name=name))
    text = "\n".join(svg_texts(tmp_path))
    for label in labels:
        assert label in text
    assert "cage 1/<b>$x^2$ & 鼠\\n\\xe4.mp4" in text


def test_a_name_of_any_length_leaves_the_picture_its_size(tmp_path: Path) -> None:
    labels = ("x" * 800, "y")
    bouts = [(labels[0], 5.0), ("y", 5.0)]
    ethogram = make_ethogram(bouts, labels=labels, name="n" * 900, model_name="m" * 900)
    write_pictures(tmp_path, ethogram)
    picture = cv2.imread(str(tmp_path / PNG_FILE))
    assert picture.shape[1] < 2200


def test_shortening_keeps_both_ends() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde…hijk"


def test_a_single_frame_can_be_drawn(tmp_path: Path) -> None:
    write_pictures(tmp_path, make_ethogram([("rest", 1 / 30)]))
    assert len(columns_of(tmp_path, COLOURS["rest"])) == pytest.approx(DOTS_WIDE, abs=2)


def test_pictures_follow_from_the_ethogram_alone(tmp_path: Path) -> None:
    import matplotlib

    ethogram = make_ethogram(random_bouts(200))
    write_pictures(tmp_path, ethogram)
    before = {name: (tmp_path / name).read_bytes() for name in (PNG_FILE, SVG_FILE)}
    mine = {
        "axes.facecolor": "black",
        "font.size": 20,
        "savefig.bbox": "tight",
        "text.usetex": True,
    }
    with matplotlib.rc_context(mine):
        write_pictures(tmp_path, ethogram)
        assert matplotlib.rcParams["axes.facecolor"] == "black"
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_pyplot_is_left_alone() -> None:
    program = (
        "import sys; from pathlib import Path; from tempfile import mkdtemp\n"
        "from i3d_ethogram.pictures.picture import write_pictures\n"
        "from tests.ethogram.synthetic import make_ethogram\n"
        "write_pictures(Path(mkdtemp()), make_ethogram([('rest', 5.0)]))\n"
        "assert 'matplotlib' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)


def test_without_matplotlib_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'i3d-triton\[report\]'"):
        write_pictures(tmp_path, make_ethogram([("rest", 5.0)]))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ethogram\.png"):
        write_pictures(tmp_path / "gone", make_ethogram([("rest", 5.0)]))
