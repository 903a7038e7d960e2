import contextlib
import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.errors import InputError
from i3d_ethogram.annotations.annotation import Annotation, LeftOut
from i3d_ethogram.annotations.annotation_boris import Chosen
from i3d_ethogram.annotations.annotations import read_annotations

# As BORIS 8.27.4 exports one observation of two videos, its time offset 10 s.
TABULAR = """\
Observation id\tObservation date\tDescription\tObservation duration\tObservation type\tSource\t\
Time offset (s)\tMedia duration (s)\tFPS\tSubject\tBehavior\tBehavioral category\tBehavior type\t\
Time\tMedia file name\tImage index\tImage file path\tComment
"""
TABULAR_ROW = (
    "obs 1\t2026-01-02 10:00:00\t\t11.500\tMedia file(s)\tplayer #1:/lab/a.mp4;/lab/b.mp4\t10.0\t"
    "10.000;8.000\t30.000;25.000\tmouse 1\t{label}\t\t{status}\t{time}\t/lab/b.mp4\t15\tNA\t\n"
)
AGGREGATED = """\
Observation id\tObservation date\tDescription\tObservation type\tSource\tTime offset (s)\t\
Coding duration\tMedia duration (s)\tFPS (frame/s)\tSubject\t\
Observation duration by subject by observation\tBehavior\tBehavioral category\tBehavior type\t\
Start (s)\tStop (s)\tDuration (s)\tMedia file name\tImage index start\tImage index stop\t\
Image file path start\tImage file path stop\tComment start\tComment stop
"""
AGGREGATED_ROW = (
    "{observation}\t2026-01-02 10:00:00\t\tMedia file\tplayer #1:/lab/a.mp4\t{offset}\t10.500\t"
    "10.000\t30.000\t{subject}\t10.5\t{label}\tNot defined\t{type}\t{start}\t{stop}\t3.5\t"
    "/lab/a.mp4\t15\t120\t\t\t\t\n"
)
# As older versions do it: a preamble, and Status in place of Behavior type.
OLD_TABULAR = """\
Observation id\tobservation #1\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Media file(s)\t\t\t\t\t\t\t\t
Player #1\tcage.mp4\t\t\t\t\t\t\t
Time offset (s)\t2.0\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus
"""
OLD_ROW = "{time}\tcage.mp4\t359.960\t25.0\t{subject}\t{label}\t\t\t{status}\n"


def aggregated_row(label="rest", start="1", stop="2", *, kind="STATE", **fields):
    values = {"observation": "obs 1", "offset": "0.0", "subject": NO_SUBJECT, **fields}
    return AGGREGATED_ROW.format(label=label, start=start, stop=stop, type=kind, **values)


NO_SUBJECT = "No focal subject"


def tabular(*events: tuple[str, str, str]) -> str:
    return TABULAR + "".join(
        TABULAR_ROW.format(time=time, label=label, status=status) for time, label, status in events
    )


def write(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_one(folder: Path, content: str | bytes, chosen: Chosen | None = None) -> Annotation:
    (annotation,) = read_annotations(write(folder, content), chosen=chosen or Chosen())
    return annotation


def bouts(annotation: Annotation) -> list[tuple[str, int, int]]:
    return [(bout.label, bout.start, bout.stop) for bout in annotation.intervals]


def test_boris_tabular_events_as_they_are_now(tmp_path):
    text = tabular(
        ("10.500", "rest", "START"),
        ("14.000", "rest", "STOP"),
        ("14.000", "groom", "START"),
        ("15.250", "scratch", "POINT"),
        ("21.000", "groom", "STOP"),
        ("22.000", "rest", "START"),
    )
    annotation = read_one(tmp_path, text)
    # The time offset is taken off.
    assert bouts(annotation) == [("rest", 500_000, 4_000_000), ("groom", 4_000_000, 11_000_000)]
    assert annotation.left_out == {LeftOut.POINT: 1, LeftOut.NO_STOP: 1}
    assert annotation.observation == "obs 1"
    assert annotation.media_names == ("a.mp4", "b.mp4")
    assert annotation.media_lengths_us == (10_000_000, 8_000_000)
    assert annotation.fps == 30


def test_boris_tabular_events_as_they_were(tmp_path):
    rows = [("3.3", "rest", "START"), ("7.75", "rest", "STOP"), ("7.75", "rest", "STOP")]
    text = OLD_TABULAR + "".join(
        OLD_ROW.format(time=time, label=label, status=status, subject="")
        for time, label, status in rows
    )
    annotation = read_one(tmp_path, text)
    assert bouts(annotation) == [("rest", 1_300_000, 5_750_000)]
    assert annotation.left_out == {LeftOut.NO_START: 1}
    assert annotation.observation == "observation #1"
    assert annotation.media_names == ("cage.mp4",)
    assert annotation.fps == 25


def test_a_start_that_another_start_follows_is_left_out(tmp_path):
    text = tabular(
        ("11", "rest", "START"),
        ("12", "rest", "START"),
        ("13", "rest", "STOP"),
        ("14", "a", "STOP"),
    )
    annotation = read_one(tmp_path, text)
    assert bouts(annotation) == [("rest", 2_000_000, 3_000_000)]
    assert annotation.left_out == {LeftOut.NO_STOP: 1, LeftOut.NO_START: 1}


def test_events_are_paired_in_order_of_time(tmp_path):
    text = tabular(("14", "rest", "STOP"), ("11", "rest", "START"))
    assert bouts(read_one(tmp_path, text)) == [("rest", 1_000_000, 4_000_000)]


def test_players_that_show_one_scene(tmp_path):
    text = tabular(("11", "rest", "START"), ("12", "rest", "STOP"))
    text = text.replace("player #1:/lab/a.mp4;/lab/b.mp4", "player #1:a.mp4|player #2:side.mp4")
    assert read_one(tmp_path, text).media == ("a.mp4",)


def test_boris_aggregated_events(tmp_path):
    text = AGGREGATED + "".join(
        [
            aggregated_row("rest", "1.800", "8.125", offset="0.5"),
            aggregated_row("rest", "9", "NA", offset="0.5"),
            aggregated_row("groom", "9", "9", offset="0.5"),
            aggregated_row("scratch", "10.250", "10.250", kind="POINT", offset="0.5"),
        ]
    )
    annotation = read_one(tmp_path, text)
    assert bouts(annotation) == [("rest", 1_300_000, 7_625_000)]
    assert annotation.left_out == {LeftOut.NO_STOP: 1, LeftOut.EMPTY: 1, LeftOut.POINT: 1}
    assert annotation.media_names == ("a.mp4",)


def test_observations_are_annotations_of_their_own(tmp_path):
    text = AGGREGATED + aggregated_row("rest") + aggregated_row("groom", observation="obs 2")
    path = write(tmp_path, text)
    assert [(a.observation, bouts(a)[0][0]) for a in read_annotations(path)] == [
        ("obs 1", "rest"),
        ("obs 2", "groom"),
    ]
    (chosen,) = read_annotations(path, chosen=Chosen(observation="obs 2"))
    assert chosen.observation == "obs 2"
    with pytest.raises(InputError, match="found none of observation 'obs 3'"):
        read_annotations(path, chosen=Chosen(observation="obs 3"))


def test_of_several_subjects_one_is_to_be_chosen(tmp_path):
    text = AGGREGATED + aggregated_row("rest") + aggregated_row("groom", subject="m2")
    with pytest.raises(InputError, match=r"subject, got those of 'No focal .*'m2'.*--subject"):
        read_one(tmp_path, text)
    assert bouts(read_one(tmp_path, text, Chosen(subject="m2")))[0][0] == "groom"
    assert bouts(read_one(tmp_path, text, Chosen(subject=NO_SUBJECT)))[0][0] == "rest"
    with pytest.raises(InputError, match="found none of subject 'm3'"):
        read_one(tmp_path, text, Chosen(subject="m3"))


def project(events: list[list[object]], **fields: object) -> dict[str, object]:
    kinds = {"rest": "State event", "groom": "State event with coding map", "hop": "Point event"}
    behaviours = {
        str(number): {"code": code, "type": kind}
        for number, (code, kind) in enumerate(kinds.items())
    }
    observation = {
        "file": {"1": ["C:\\videos\\a.mp4"], "2": []},
        "type": "MEDIA",
        "time offset": 1.5,
        "events": events,
        "media_info": {"length": {"C:\\videos\\a.mp4": 60.04}, "fps": {"C:\\videos\\a.mp4": 25.0}},
        **fields,
    }
    return {"behaviors_conf": behaviours, "observations": {"obs": observation}}


EVENTS = [
    [2.0, "", "rest", "", "", 12],
    [4.5, "", "hop", "", "", 75],
    [3.25, "", "groom", "m", ""],
    [5.0, "", "rest", "", "", 87],
    [6.0, "", "rest", "", "", 112],
    [8.0, "", "groom", "m", ""],
]


@pytest.mark.parametrize("compress", [False, True])
def test_a_boris_project(tmp_path, compress):
    content = json.dumps(project(EVENTS), indent=1).encode()
    annotation = read_one(tmp_path, gzip.compress(content) if compress else content)
    assert bouts(annotation) == [("rest", 500_000, 3_500_000), ("groom", 1_750_000, 6_500_000)]
    assert annotation.left_out == {LeftOut.POINT: 1, LeftOut.NO_STOP: 1}
    assert annotation.media_names == ("a.mp4",)
    assert annotation.media_lengths_us == (60_040_000,)
    assert annotation.labels == ("rest", "groom")  # a point event labels no frame
    assert annotation.fps == 25


def test_a_project_that_is_not_one(tmp_path):
    with pytest.raises(InputError, match="not a BORIS project as expected: KeyError"):
        read_one(tmp_path, "{}")
    with pytest.raises(InputError, match="not a BORIS project"):
        read_one(tmp_path, json.dumps(project([["x", "", "rest", "", ""]])))
    pictures = project([["NA", "", "rest", "", "", 1, "a.jpg"]], type="IMAGES")
    with pytest.raises(InputError, match="found none"):
        read_one(tmp_path, json.dumps(pictures))


def test_intervals_of_several_videos(tmp_path):
    path = write(
        tmp_path,
        "video,start_s,stop_s,label\n"
        "b.mp4,-1.5,-0:01,eat\n"
        'b.mp4,1,2.5,"sniff, then rear"\n'
        "a.mp4,0:01:01.5,62,rest\n"
        "b.mp4,0,1,rest\n"
        "a.mp4,,70,rest\n",
    )
    b, a = read_annotations(path)
    assert (b.media, bouts(b)) == (
        ("b.mp4",),
        [
            ("eat", -1_500_000, -1_000_000),
            ("rest", 0, 1_000_000),
            ("sniff, then rear", 1_000_000, 2_500_000),
        ],
    )
    assert (a.media, bouts(a)) == (("a.mp4",), [("rest", 61_500_000, 62_000_000)])
    assert a.left_out == {LeftOut.NO_START: 1}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("start_s;stop_s;label\n0,5;1,25;pérche\n", "utf-8"),
        ("start_s\tstop_s\tlabel\n0.5\t1,25\tpérche\n", "utf-16"),
        ("sep=;\nStart ;Stop; Behaviour\r\n0,5;1,25;pérche\r\n\r\n", "utf-8-sig"),
        ('start,end,behavior\n"0,5","1,25",pérche\n', "cp1252"),
    ],
)
def test_delimiters_decimal_signs_and_encodings(tmp_path, text, encoding):
    annotation = read_one(tmp_path, text.encode(encoding))
    assert bouts(annotation) == [("pérche", 500_000, 1_250_000)]
    assert annotation.read_as == ("Windows-1252" if encoding == "cp1252" else None)


def test_intervals_in_frames(tmp_path):
    annotation = read_one(tmp_path, "start_frame,stop_frame,label\n3,7,rest\n")
    assert annotation.unit == "frames"
    assert bouts(annotation) == [("rest", 3, 7)]


def test_a_label_a_frame(tmp_path):
    annotation = read_one(
        tmp_path,
        "frame,time_s,label,score\n4,0.1,rest,1\n5,0.2,rest,1\n6,0.3,,\n8,0.4,eat,1\n10,,eat,\n",
    )
    assert annotation.unit == "frames"
    assert bouts(annotation) == [("rest", 4, 6), ("eat", 8, 9), ("eat", 10, 11)]
    assert annotation.looked_at == ((4, 7), (8, 9), (10, 11))


def test_deepethogram_labels(tmp_path):
    annotation = read_one(
        tmp_path, ",background,groom,rest\n0,1,0,0\n1,0,1,1\n2,0,1,0\n3,-1,-1,-1\n"
    )
    assert annotation.labels == ("background", "groom", "rest")
    assert bouts(annotation) == [("background", 0, 1), ("groom", 1, 3), ("rest", 1, 2)]
    assert annotation.looked_at == ((0, 3),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello\nworld\n", "of no known kind"),
        ("", "is empty"),
        ("start_s,stop_s,label\n", "found none"),
        ("start_s,stop_s,label\n1,x,rest\n", r"line 2: expected a time in seconds, got 'x'"),
        ("start_s,stop_s,label\n1,1e99,rest\n", r"line 2: expected a time in seconds"),
        ("start_s,stop_s,label\n\n3,2,rest\n", r"line 3: stops at 2, before 3"),
        ("start_s,stop_s,label\n1,2,rest,more\n", r"line 2: expected the 3 cells"),
        ("frame,label\n1,rest\n1,rest\n", r"line 3: expected a frame after 1, got 1"),
        ("frame,label\n1.5,rest\n", r"line 2: expected a frame's number, from 0, got '1.5'"),
        (",background,eat\n0,1,0.3\n", r"line 2: eat: expected 0, 1 or −1, got '0.3'"),
        (",background,eat\n0,1\n", r"line 2: eat: expected 0, 1 or −1, got ''"),
        (AGGREGATED + aggregated_row("rest", "3", "2"), r"line 2: stops at 2 s, before it starts"),
        (AGGREGATED + aggregated_row(""), r"line 2: expected a behaviour"),
        (tabular(("", "rest", "START")), r"line 2: expected a time in the column Time"),
        (b"PK\x03\x04rest", "is a spreadsheet"),
        (b"\x1f\x8brest", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, content, message):
    with pytest.raises(InputError, match=r"file\.csv.*" + message):
        read_one(tmp_path, content)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_annotations(tmp_path / "none.csv")


HEADERS = [
    "start_s,stop_s,label\n",
    "frame;label\n",
    ",background,eat\n",
    TABULAR,
    OLD_TABULAR,
    AGGREGATED,
    '{"behaviors_conf": {}, "observations": ',
]


@given(st.sampled_from(HEADERS), st.text(max_size=80), st.binary(max_size=40), st.booleans())
def test_whatever_is_in_a_file_is_read_or_refused(header, text, noise, compress):
    content = header.encode() + text.encode(errors="surrogatepass") + noise
    with TemporaryDirectory() as folder:
        path = write(Path(folder), gzip.compress(content) if compress else content)
        with contextlib.suppress(InputError):
            for annotation in read_annotations(path):
                assert all(bout.start < bout.stop for bout in annotation.intervals)


FIELDS = ["events", "file", "1", "type", "media_info", "length", "fps", "time offset", "x"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=8,
)
events = st.lists(
    st.lists(json_values, max_size=6)
    | st.tuples(
        st.floats() | st.text(max_size=3),
        st.sampled_from(["", "a"]),
        st.sampled_from(["rest", "?"]),
        st.just(""),
    ).map(list),
    max_size=4,
)


@given(json_values, events, json_values)
def test_whatever_is_in_a_project_is_read_or_refused(fields, of_observation, kind):
    document = {"events": of_observation, **(fields if isinstance(fields, dict) else {})}
    behaviours = {"0": {"code": "rest", "type": kind if isinstance(kind, str) else "State event"}}
    content = json.dumps({"behaviors_conf": behaviours, "observations": {"o": document}})
    with TemporaryDirectory() as folder, contextlib.suppress(InputError):
        read_annotations(write(Path(folder), content))
