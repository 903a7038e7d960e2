"""The lab's table: which row is for which recording, and what cannot be used."""

import re
from pathlib import Path

import pytest

from i3d_client.errors import InputError
from i3d_ethogram.metadata import NO_METADATA, RecordingMetadata, read_metadata

NAMES = (
    "m1/day1.mp4",
    "m1/day2.mp4",
    "m12/day1.mp4",
    "cage3_m2 [left].mp4",
    "höhle\n\udce4.avi",
)


def match(tmp_path: Path, text: str, *, names: tuple[str, ...] = NAMES) -> RecordingMetadata:
    path = tmp_path / "animals.csv"
    path.write_text(text, encoding="utf-8")
    return read_metadata(path).match(names)


def test_a_row_for_a_recordings_name(tmp_path: Path) -> None:
    metadata = match(tmp_path, "recording,mouse,sex\nm1/day1.mp4,A,f\nm1/day2.mp4,B,m\n")
    assert metadata.columns == ("mouse", "sex")
    assert metadata.of("m1/day1.mp4") == {"mouse": "A", "sex": "f"}
    assert metadata.of("m1/day2.mp4") == {"mouse": "B", "sex": "m"}
    assert metadata.of("m12/day1.mp4") == {"mouse": "", "sex": ""}
    assert metadata.animal("m1/day1.mp4") is None
    assert metadata.unmatched == NAMES[2:]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("m1", ("m1/day1.mp4", "m1/day2.mp4")),
        ("m1/", ("m1/day1.mp4", "m1/day2.mp4")),
        ("m1/*", ("m1/day1.mp4", "m1/day2.mp4")),
        ("day1.*", ("m1/day1.mp4", "m12/day1.mp4")),
        ("m?/day1.mp4", ("m1/day1.mp4",)),
        ("cage3*", ("cage3_m2 [left].mp4",)),
        ("cage3_m2 [left].mp4", ("cage3_m2 [left].mp4",)),
        ("ho\u0308hle*", ("höhle\n\udce4.avi",)),  # ö as macOS writes it
        ("höhle\\n\\xe4.avi", ("höhle\n\udce4.avi",)),  # as the tables show it
        ("*", NAMES),
    ],
)
def test_a_row_for_a_pattern(tmp_path: Path, pattern: str, expected: tuple[str, ...]) -> None:
    metadata = match(tmp_path, f"recording,sex\n{pattern},f\n")
    assert tuple(name for name in NAMES if name not in metadata.unmatched) == expected


def test_a_name_goes_before_the_pattern_that_it_may_be(tmp_path: Path) -> None:
    names = ("a.mp4", "day1/a.mp4")
    metadata = match(tmp_path, "recording,sex\na.mp4,f\nday1/a.mp4,m\n", names=names)
    assert [metadata.of(name)["sex"] for name in names] == ["f", "m"]


def test_a_row_for_an_animal_is_for_all_whose_paths_have_its_name_as_a_word(
    tmp_path: Path,
) -> None:
    metadata = match(tmp_path, "animal,genotype\nm1,wt\nm2,ko\nm12,wt\n")
    assert metadata.columns == ("animal", "genotype")
    assert [metadata.animal(name) for name in NAMES] == ["m1", "m1", "m12", "m2", None]
    assert metadata.of("cage3_m2 [left].mp4") == {"animal": "m2", "genotype": "ko"}


@pytest.mark.parametrize("name", ["am1.mp4", "m1a.mp4", "m12.mp4", "höm1.mp4", "1m1/x.mp4"])
def test_an_animals_name_within_a_longer_word_is_not_it(tmp_path: Path, name: str) -> None:
    (said,) = match(tmp_path, "animal\nm1\n", names=(name,)).unused
    assert "line 2: no recording has 'm1' as a word" in said


def test_recording_and_animal_together(tmp_path: Path) -> None:
    metadata = match(tmp_path, "animal,recording,day\nX,m1/day1.mp4,1\nX,m12/*,2\nm2,,3\n")
    assert [metadata.animal(name) for name in NAMES] == ["X", None, "X", "m2", None]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffRecording;Größe\nm1/day1.mp4;3,5\n".encode(),
        "recording\tGröße\r\nm1/day1.mp4\t3,5\r\n\r\n\t\r\n".encode("utf-16"),
        "recording;Größe;;\n m1/day1.mp4 ; 3,5 ;;\n".encode("cp1252"),
        'recording,Größe\n"m1/day1.mp4","3,5"'.encode(),
    ],
)
def test_what_spreadsheets_save(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "animals.csv"
    path.write_bytes(data)
    assert read_metadata(path).match(NAMES).of("m1/day1.mp4") == {"Größe": "3,5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header and at least one row"),
        ("recording,sex\n\n", "expected a header and at least one row"),
        ("mouse,sex\nA,f\n", "expected a column 'recording' or 'animal', got .*mouse"),
        ("recording,,sex\nm1,x,f\n", "a column without a name"),
        ("recording,sex,sex\nm1,x,f\n", "two columns 'sex'"),
        ("recording,Recording\nm1,x\n", "two columns 'recording'"),
        ("recording,sex\n\nm1\n", "line 3: expected 2 cells as in the header, got 1"),
        ("recording,sex\nm1,f,late, too\n", "line 2: expected 2 cells as in the header, got 4"),
        ('recording,sex\nm1,"f\n', "line 2: not a table"),
        ("recording,animal,sex\nm1,,f\n,,m\n", "line 3: names neither a recording nor an animal"),
        ("recording\nm1/*\n\nday1.mp4\n", "lines 2 and 4 are both for the recording m1/day1.mp4"),
        ("animal\nm1\nday1\n", "lines 2 and 3 are both for the recording m1/day1.mp4"),
        ("recording\0\nm1", "not text"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)animals\.csv: .*{message}"):
        match(tmp_path, text)


def test_a_line_break_in_a_cell_does_not_shift_the_numbers_of_lines(tmp_path: Path) -> None:
    (said,) = match(tmp_path, 'recording,note\nm1,"two\nlines"\nnone,x\n').unused
    assert "line 4: no recording" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recording,sex\nm1,f\nday3.mp4,f\n", "line 3: no recording is, or fits, 'day3.mp4'.*'m1/"),
        ("animal\nm1\nm3\n", "line 3: no recording has 'm3' as a word in its path"),
    ],
)
def test_a_row_for_a_recording_that_is_not_there_yet_is_said(
    tmp_path: Path, text: str, message: str
) -> None:
    metadata = match(tmp_path, text)
    (said,) = metadata.unused
    assert re.search(rf"animals\.csv: {message}", said)
    assert metadata.of("m1/day1.mp4")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"animals\.csv: cannot be read: No such file"):
        read_metadata(tmp_path / "animals.csv")


def test_without_a_table_nothing_is_known() -> None:
    assert NO_METADATA.of("m1") == {}
    assert NO_METADATA.animal("m1") is None
