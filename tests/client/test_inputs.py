"""What the user names, as labs have it, becomes recordings with output folders of their own."""

import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.conftest import MakeVideo

from i3d_client.errors import InputError, OutputError
from i3d_client.folder_search import VIDEO_SUFFIXES, natural_order
from i3d_client.inputs import Input, collect
from i3d_client.printable import printable
from i3d_client.video import open_video

MakeFiles = Callable[..., Path]


@pytest.fixture
def lab(tmp_path: Path) -> MakeFiles:
    """Return a function that makes files, each holding its own name, and returns their folder."""

    def make(*names: str, folder: str = "lab") -> Path:
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(name))
        (tmp_path / folder).mkdir(exist_ok=True)
        return tmp_path / folder

    return make


def found(*named: Path, glob: str | None = None, concatenate: bool = False) -> list[Input]:
    return collect(named, glob=glob, concatenate=concatenate)


def names(*named: Path, glob: str | None = None, concatenate: bool = False) -> list[str]:
    return [str(item.name) for item in found(*named, glob=glob, concatenate=concatenate)]


def notes(*named: Path, glob: str | None = None, concatenate: bool = False) -> list[str]:
    told: list[str] = []
    collect(named, glob=glob, concatenate=concatenate, on_note=told.append)
    return told


# Files and folders


def test_a_file_is_named_by_its_name_and_a_file_in_a_folder_by_its_path_there(
    lab: MakeFiles,
) -> None:
    folder = lab("cage 3/day1/rec.mp4", "Käfig 4/rec.AVI")
    alone = lab("any.bin", folder="elsewhere") / "any.bin"
    assert found(alone, folder) == [
        Input(name=PurePosixPath("any.bin"), files=(alone,)),
        Input(name=PurePosixPath("cage 3/day1/rec.mp4"), files=(folder / "cage 3/day1/rec.mp4",)),
        Input(name=PurePosixPath("Käfig 4/rec.AVI"), files=(folder / "Käfig 4/rec.AVI",)),
    ]


def test_a_folder_gives_its_videos_in_natural_order_and_nothing_else(lab: MakeFiles) -> None:
    folder = lab("rec10.mp4", "rec2.MKV", "rec1.mp4", "day10/a.ts", "day9/a.ts", "notes.csv", "x")
    assert names(folder) == ["day9/a.ts", "day10/a.ts", "rec1.mp4", "rec2.MKV", "rec10.mp4"]


def test_the_folder_of_the_results_adds_nothing(lab: MakeFiles) -> None:
    folder = lab("rec.mp4", "results/rec.mp4/frames.csv", "results/rec.mp4/run.json")
    assert names(folder) == ["rec.mp4"]


def test_hidden_and_resource_files_are_left_out_and_counted(lab: MakeFiles) -> None:
    folder = lab("rec.mp4", "._rec.mp4", ".old/rec.mp4", ".DS_Store", "lost+found/rec.mp4")
    assert names(folder) == ["rec.mp4"]
    (note,) = notes(folder)
    assert "2 hidden files or folders" in note
    assert "._rec.mp4" in note or ".old" in note


def test_a_file_that_is_not_there_is_left_to_fail_alone(lab: MakeFiles) -> None:
    folder = lab("rec.mp4")
    assert names(folder / "absent.mp4", folder / "rec.mp4") == ["absent.mp4", "rec.mp4"]


def test_a_link_to_nothing_is_left_to_fail_alone_and_a_pipe_is_no_video(lab: MakeFiles) -> None:
    folder = lab("rec.mp4")
    (folder / "unfetched.mp4").symlink_to("annex/absent")
    (folder / "itself.mp4").symlink_to("itself.mp4")
    os.mkfifo(folder / "pipe.mp4")
    assert names(folder) == ["itself.mp4", "rec.mp4", "unfetched.mp4"]


def test_loops_of_links_end_and_the_real_place_gives_the_name(lab: MakeFiles) -> None:
    folder = lab("b/rec.mp4", "a/x.mp4")
    (folder / "b" / "up").symlink_to(folder)
    (folder / "a" / "b").symlink_to(folder / "b")
    outside = lab("far.mp4", folder="nas")
    (folder / "nas").symlink_to(outside)
    assert names(folder) == ["a/x.mp4", "b/rec.mp4", "nas/far.mp4"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_not_left_out_in_silence(lab: MakeFiles) -> None:
    folder = lab("open/rec.mp4", "closed/rec.mp4")
    (folder / "closed").chmod(0)
    try:
        with pytest.raises(InputError, match=r"closed: cannot be looked into: Permission denied"):
            names(folder)
    finally:
        (folder / "closed").chmod(0o700)


def test_nothing_found_says_what_was_looked_for_and_where(lab: MakeFiles) -> None:
    folder = lab("a.seq", "b.seq", "day1/c.tif", ".rec.mp4")
    with pytest.raises(InputError) as error:
        names(folder)
    for part in (".mp4", str(folder), "2 folders", "2 × .seq", "1 × .tif", "1 hidden", "--glob"):
        assert part in str(error.value)
    with pytest.raises(InputError, match=r"match --glob '\*\.avi'"):
        names(folder, glob="*.avi")


def test_an_empty_folder_among_others_is_told(lab: MakeFiles) -> None:
    folder, empty = lab("rec.mp4"), lab(folder="empty")
    assert notes(folder, empty) == [f"{empty}: no video found in it"]


def test_undecodable_and_odd_names_are_kept_and_can_be_printed(lab: MakeFiles) -> None:
    odd = os.fsdecode(b"k\xe4fig\n1.mp4")
    folder = lab(odd, "\x1b[31mred.mp4", "ネズミ 1.mp4")
    (same, *_) = [item for item in found(folder) if item.files[0].name == odd]
    assert same.files[0].read_bytes() == os.fsencode(odd)
    shown = {printable(item.name) for item in found(folder)}
    assert shown == {"k\\xe4fig\\n1.mp4", "\\x1b[31mred.mp4", "ネズミ 1.mp4"}
    for text in (*shown, *notes(folder, folder), *notes(folder, concatenate=True)):
        text.encode()


def test_errors_about_undecodable_names_can_be_printed(lab: MakeFiles) -> None:
    odd = os.fsdecode(b"\xe4.mp4")
    one, two = lab(odd, folder="one"), lab(odd, folder="two")
    with pytest.raises(OutputError) as error:
        names(one, two)
    str(error.value).encode()


# --glob


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("*_top.mp4", ["cage1/day1/rec_top.mp4", "rec_top.mp4"]),
        ("cage*/**/*.avi", ["cage1/day1/x.avi", "cage2/y.avi"]),
        ("cage*/**", ["cage1/day1/rec_top.mp4", "cage1/day1/x.avi", "cage2/y.avi", "cage2/z.raw"]),
        ("./cage2/?.raw", ["cage2/z.raw"]),
        ("*/day1/*", ["cage1/day1/rec_top.mp4", "cage1/day1/x.avi"]),
        ("[yz].*", ["cage2/y.avi", "cage2/z.raw"]),
        ("**/rec_top.mp4", ["cage1/day1/rec_top.mp4", "rec_top.mp4"]),
    ],
)
def test_glob_chooses_instead_of_the_extension(
    lab: MakeFiles, pattern: str, chosen: list[str]
) -> None:
    folder = lab(
        "rec_top.mp4", "rec_side.mp4", "cage1/day1/rec_top.mp4", "cage1/day1/x.avi",
        "cage2/y.avi", "cage2/z.raw", "cage2/._z.raw",
    )  # fmt: skip
    assert names(folder, glob=pattern) == chosen


def test_glob_finds_an_accent_however_the_disk_stores_it(lab: MakeFiles) -> None:
    decomposed = unicodedata.normalize("NFD", "Käfig.mp4")
    assert decomposed != "Käfig.mp4"
    assert names(lab(decomposed), glob="Kä*") == [decomposed]


@pytest.mark.parametrize("pattern", ["", "/data/*.mp4", "../*.mp4"])
def test_a_glob_that_leaves_the_folder_is_refused(lab: MakeFiles, pattern: str) -> None:
    with pytest.raises(InputError, match="expected a pattern for paths within"):
        names(lab("rec.mp4"), glob=pattern)


def test_glob_without_a_folder_is_refused_rather_than_ignored(lab: MakeFiles) -> None:
    with pytest.raises(InputError, match="none is named"):
        names(lab("a_side.mp4") / "a_side.mp4", glob="*_top.mp4")


# Lists


def write_list(folder: Path, content: str | bytes, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_list_names_files_and_folders_relative_to_itself(lab: MakeFiles) -> None:
    folder = lab("day1/rec.mp4", "day2/a/rec.mp4", "day 3/rec.mp4", "x.mp4", "'q'.mp4", "#1.mp4")
    outside = lab("far/away.mp4", folder="nas") / "far"
    content = (
        "\ufeff# recordings\r\n\r\nday1/rec.mp4\r\n  day2  \r\n\"day 3/rec.mp4\"\r\n'q'.mp4\r\n"
        f"{folder / 'x.mp4'}\r\n{outside}\r\n#1.mp4\r\n#day1/absent.mp4"
    )
    assert names(write_list(folder, content, "LIST.TXT")) == [
        "day1/rec.mp4",
        "day2/a/rec.mp4",
        "day 3/rec.mp4",
        "'q'.mp4",
        "x.mp4",
        "away.mp4",
        "#1.mp4",
    ]


def test_a_path_that_is_there_as_written_is_taken_so(lab: MakeFiles) -> None:
    folder = lab(" rec.mp4 ", "rec.mp4", '"rec.mp4"')
    content = ' rec.mp4 \r\n\trec.mp4\r\n"rec.mp4"\r\n'
    assert names(write_list(folder, content)) == [" rec.mp4 ", "rec.mp4", '"rec.mp4"']


def test_a_list_may_hold_undecodable_names(lab: MakeFiles) -> None:
    folder = lab(os.fsdecode(b"k\xe4fig.mp4"))
    (item,) = found(write_list(folder, b"k\xe4fig.mp4\n"))
    assert os.fsencode(item.files[0].name) == b"k\xe4fig.mp4"


def test_all_missing_paths_of_all_lists_are_reported_with_their_lines(lab: MakeFiles) -> None:
    folder = lab("rec.mp4")
    one = write_list(folder, "rec.mp4\n\nabsent 1.mp4\n'absent 2.mp4'\n")
    two = write_list(folder, b"\xe4.mp4\n", "two.txt")
    with pytest.raises(InputError) as error:
        names(one, two)
    for part in ("list.txt, line 3: absent 1.mp4", "line 4: absent 2.mp4", "line 1: \\xe4.mp4"):
        assert part in str(error.value)
    assert "line 1: rec.mp4" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("# nothing\n\n", "names no video"),
        ("rec.mp4\n".encode("utf-16"), "UTF-16"),
        ("other.txt\n", "line 1: other.txt: is itself a list"),
    ],
)
def test_a_list_that_cannot_be_used(lab: MakeFiles, content: str | bytes, says: str) -> None:
    folder = lab("rec.mp4", "other.txt")
    with pytest.raises(InputError, match=says):
        names(write_list(folder, content))


def test_a_list_that_is_not_there(lab: MakeFiles) -> None:
    with pytest.raises(InputError, match=r"absent\.txt: cannot be read: No such file"):
        names(lab("rec.mp4") / "absent.txt")


# The same file twice, and clashes of names


def test_a_file_named_twice_by_any_path_is_taken_once_and_told(lab: MakeFiles) -> None:
    folder = lab("a/rec.mp4")
    file = folder / "a" / "rec.mp4"
    (folder / "linked.mp4").symlink_to(file)
    (folder / "hard.mp4").hardlink_to(file)
    told = notes(folder / "a", file, folder / "linked.mp4", folder / "hard.mp4")
    assert names(folder / "a", file, folder / "linked.mp4", folder / "hard.mp4") == ["rec.mp4"]
    assert len(told) == 1
    assert "is the same file as" in told[0]
    assert "and 2 files more" in told[0]


def test_different_files_of_equal_content_are_both_taken(lab: MakeFiles) -> None:
    folder = lab("a.mp4", "b.mp4")
    (folder / "b.mp4").write_bytes((folder / "a.mp4").read_bytes())
    assert names(folder) == ["a.mp4", "b.mp4"]


def test_two_recordings_of_one_name_are_refused_with_both_named(lab: MakeFiles) -> None:
    one, two = lab("rec.mp4", folder="day1"), lab("rec.mp4", folder="day2")
    with pytest.raises(OutputError) as error:
        names(one, two)
    for part in (one / "rec.mp4", two / "rec.mp4", "both would be written to rec.mp4", "--out"):
        assert str(part) in str(error.value)
    assert names(one.parent) == ["day1/rec.mp4", "day2/rec.mp4"]


def test_names_that_are_one_on_many_disks_are_refused(lab: MakeFiles) -> None:
    with pytest.raises(OutputError, match="both would be written"):
        names(lab("Rec.mp4", "rec.MP4"))
    with pytest.raises(OutputError, match="both would be written"):
        names(lab("ä.avi", unicodedata.normalize("NFD", "ä.avi"), folder="accents"))


def test_results_inside_the_results_of_another_are_refused(lab: MakeFiles) -> None:
    outer, inner = lab("a.mp4", folder="one"), lab("a.mp4/b.mp4", folder="two")
    for order in ((outer, inner), (inner, outer)):
        with pytest.raises(OutputError, match=r"in a\.mp4/b\.mp4 below --out would lie among"):
            names(*order)


# --concatenate


def test_each_folder_that_holds_videos_is_one_recording(lab: MakeFiles) -> None:
    folder = lab("d1/r10.mp4", "d1/r9.mp4", "d1/r1.mp4", "d2/only.mp4", "top2.avi", "top1.avi")
    one, two, top = found(folder, concatenate=True)
    assert str(one.name) == "d1/r1.mp4+2 more"
    assert one.files == tuple(folder / "d1" / name for name in ("r1.mp4", "r9.mp4", "r10.mp4"))
    assert (str(two.name), len(two.files)) == ("d2/only.mp4", 1)
    assert (str(top.name), len(top.files)) == ("top1.avi+1 more", 2)


def test_files_named_together_are_one_recording_in_natural_order_which_is_told(
    lab: MakeFiles,
) -> None:
    folder = lab("r10.mp4", "r2.mp4")
    given = (folder / "r10.mp4", folder / "r2.mp4")
    (item,) = found(*given, concatenate=True)
    assert item == Input(name=PurePosixPath("r2.mp4+1 more"), files=given[::-1])
    (note,) = notes(*given, concatenate=True)
    assert "not as given" in note
    assert note.endswith("r2.mp4, r10.mp4")
    assert "not as given" not in notes(*given[::-1], concatenate=True)[0]


def test_the_files_of_each_list_are_one_recording(lab: MakeFiles) -> None:
    folder = lab("a1.mp4", "a2.mp4", "b1.mp4", "b2.mp4")
    lists = [write_list(folder, f"{x}1.mp4\n{x}2.mp4\n", f"{x}.txt") for x in "ab"]
    assert names(*lists, concatenate=True) == ["a1.mp4+1 more", "b1.mp4+1 more"]


def test_a_folder_named_twice_is_taken_once_and_a_file_in_two_recordings_is_refused(
    lab: MakeFiles,
) -> None:
    folder = lab("d/r1.mp4", "d/r2.mp4")
    assert names(folder / "d", folder / "d", concatenate=True) == ["r1.mp4+1 more"]
    assert any("named twice" in n for n in notes(folder / "d", folder / "d", concatenate=True))
    with pytest.raises(InputError, match="Name it once"):
        names(folder / "d", folder / "d" / "r1.mp4", concatenate=True)
    (folder / "d" / "latest.mp4").symlink_to("r2.mp4")
    with pytest.raises(InputError, match=r"latest\.mp4 and .*r2\.mp4 are the same"):
        names(folder, concatenate=True)


def test_a_joint_name_that_no_disk_takes_is_refused(lab: MakeFiles) -> None:
    folder = lab("x" * 248 + ".mp4", "y.mp4")
    with pytest.raises(OutputError, match="at most 255 bytes"):
        names(folder, concatenate=True)


# Properties

file_names = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12
) | st.binary(min_size=1, max_size=8).filter(lambda name: not {*b"/\0"} & {*name}).map(os.fsdecode)


@given(st.lists(file_names, unique=True, max_size=12))
def test_natural_order_is_one_order_for_any_names(listed: list[str]) -> None:
    ordered = sorted(listed, key=natural_order)
    backwards = listed[::-1]
    assert sorted(backwards, key=natural_order) == ordered


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_natural_order_is_that_of_the_numbers(numbers: list[int]) -> None:
    listed = sorted((f"Cage{n}/rec.mp4" for n in numbers), key=natural_order)
    assert listed == [f"Cage{n}/rec.mp4" for n in sorted(numbers)]


@given(file_names)
def test_any_name_can_be_printed_on_one_line(name: str) -> None:
    shown = printable(name)
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown
    shown.encode()
    if name.isprintable():
        assert shown == name


@given(st.lists(file_names, unique=True, min_size=1, max_size=6))
def test_no_two_recordings_share_a_place(
    tmp_path_factory: pytest.TempPathFactory, listed: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in listed:
        assume(name not in (".", "..") and len(os.fsencode(name)) < 200)
        (folder / f"{name}.mp4").touch()
    try:
        items = found(folder)
    except InputError:
        assert all(name.startswith(".") for name in listed)
        return
    except OutputError:
        folded = {unicodedata.normalize("NFKC", name).casefold() for name in listed}
        assert len(folded) < len(listed)
        return
    assert len({item.name for item in items}) == len(items)
    assert all((folder / item.name).is_file() for item in items)
    assert len(items) == sum(not name.startswith(".") for name in listed)


# What the extensions promise

_CODECS = {
    ".264": "libx264", ".265": "libx265", ".h264": "libx264", ".h265": "libx265",
    ".hevc": "libx265", ".m1v": "mpeg1video", ".m2v": "mpeg2video", ".mjpeg": "mjpeg",
    ".mjpg": "mjpeg", ".mpeg": "mpeg2video", ".mpg": "mpeg2video", ".vob": "mpeg2video",
    ".mxf": "mpeg2video", ".ogv": "libvpx", ".webm": "libvpx", ".wmv": "msmpeg4",
    ".asf": "msmpeg4", ".y4m": "wrapped_avframe", ".flv": "flv1", ".3gp": "mpeg4", ".3g2": "mpeg4",
}  # fmt: skip
_NOT_WRITTEN = {".dav", ".dv", ".qt"}  # FFmpeg writes no .dav, .dv of PAL size alone, .qt as .mov


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES - _NOT_WRITTEN))
def test_a_video_of_every_known_extension_can_be_opened(make_video: MakeVideo, suffix: str) -> None:
    codec = _CODECS.get(suffix, "libx264")
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = make_video(
        20, name=f"rec{suffix}", codec=codec, pixel_format=pixels, rate=25, options=options
    )
    assert open_video(path).num_frames_expected == 20
    assert names(path.parent) == [path.name]


def test_collecting_imports_nothing_of_the_decoder() -> None:
    code = "import i3d_client.inputs, sys; print([m for m in ('av', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
