from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.ethogram.synthetic import HOMECAGE9, write_recording

from i3d_client.errors import InputError, ResultError
from i3d_ethogram.compare.agreement import measures_of
from i3d_ethogram.compare.comparing import compare_results
from i3d_ethogram.compare.comparison import MODEL, OTHER, CompareOptions, Comparison
from i3d_ethogram.compare.comparison_notes import Note
from i3d_ethogram.compare.comparison_total import ALL, total_of
from i3d_ethogram.formats.boris_project import write_boris_project
from i3d_ethogram.formats.deepethogram_csv import write_deepethogram
from i3d_ethogram.reading import open_scores, read_ethogram
from i3d_ethogram.smoothing import Smoothing
from i3d_ethogram.tables.boris_events import write_boris_events
from i3d_ethogram.tables.bouts_table import write_bouts

BOUTS = [("rest", 10.0), ("groom", 5.0), ("rest", 5.0), ("eat", 10.0)]
DEFAULT = CompareOptions()


def intervals(folder: Path, *rows: tuple[float, float, str], name: str = "notes.csv") -> Path:
    lines = [f'{start},{stop},"{label}"' for start, stop, label in rows]
    path = folder / name
    path.write_text("\n".join(["start_s,stop_s,label", *lines]) + "\n")
    return path


def compared(
    result: Path, *files: Path, options: CompareOptions = DEFAULT
) -> tuple[list[Comparison], list[Note]]:
    found = list(compare_results(result, files, options=options))
    return (
        [item for item in found if isinstance(item, Comparison)],
        [item for item in found if isinstance(item, Note)],
    )


def one(result: Path, *files: Path, options: CompareOptions = DEFAULT) -> Comparison:
    (comparison,), _ = compared(result, *files, options=options)
    return comparison


def texts(comparison: Comparison, kind: str = "warning") -> str:
    return "\n".join(note.text for note in comparison.notes if note.kind == kind)


def counts(comparison: Comparison) -> dict[tuple[str, str], int]:
    """The cells of the matrix that are not 0, by label."""
    labels, confusion = comparison.agreement.labels, comparison.agreement.confusion
    return {
        (labels[row], labels[column]): int(confusion[row, column])
        for row, column in np.argwhere(confusion)
    }


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(30000, 1001)])
@pytest.mark.parametrize("write", [write_boris_events, write_bouts])
def test_what_was_written_agrees_with_itself_to_the_frame(tmp_path, fps, write):
    write_recording(
        tmp_path / "out", "a ü.mp4", num_frames=3000, fps=fps, seed=3, lost_frames=[900, 901]
    )
    ethogram = read_ethogram(tmp_path / "out", "a ü.mp4")
    write(tmp_path / "out" / "a ü.mp4", ethogram)
    (file,) = (tmp_path / "out" / "a ü.mp4").glob("b*.[ct]sv")
    comparison = one(tmp_path / "out" / "a ü.mp4", file)
    account = comparison.agreement.account
    scored = int(np.diff(ethogram.first_frames)[ethogram.scored].sum())
    assert account.compared == scored
    assert account.unannotated == 3000 - scored
    assert comparison.agreement.confusion.trace() == scored
    assert (comparison.agreement.annotated_us == comparison.agreement.predicted_us).all()
    bouts = comparison.agreement
    assert bouts.bouts_matched.tolist() == bouts.bouts_annotated.tolist()
    assert bouts.bouts_matched.tolist() == bouts.bouts_predicted.tolist()
    assert texts(comparison) == ""


@pytest.mark.parametrize("file", ["review.boris", "mouse_labels.csv", "frames.csv"])
def test_the_other_files_agree_too(tmp_path, file):
    folder = write_recording(tmp_path / "out", num_frames=900, seed=2, lost_frames=[500])
    ethogram = read_ethogram(tmp_path / "out", "mouse.mp4")
    write_boris_project(folder, ethogram, open_scores(folder))
    write_deepethogram(folder, ethogram)
    comparison = one(tmp_path / "out", folder / file)
    account = comparison.agreement.account
    assert (account.compared, account.unannotated, account.frames) == (869, 31, 900)
    assert comparison.agreement.confusion.trace() == 869
    assert texts(comparison) == ""


def test_numbers_by_hand(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    notes = intervals(
        tmp_path,
        (1, 11, "rest"),
        (11, 15, "groom"),
        (15, 21, "eat"),
        (21, 30, "rest"),
        (29.5, 31, "sleep"),
    )
    comparison = one(tmp_path / "out", notes)
    # 1 to 10 s rest, both; 10 to 11 rest for groom; 11 to 15 groom, both; 15 to 20 eat for rest;
    # 20 to 21 eat, both; 21 to 30 rest for eat.
    assert counts(comparison) == {
        ("rest", "rest"): 270,
        ("rest", "groom"): 30,
        ("groom", "groom"): 120,
        ("eat", "rest"): 150,
        ("eat", "eat"): 30,
        ("rest", "eat"): 270,
    }
    account = comparison.agreement.account
    assert (account.compared, account.unannotated, account.frames) == (870, 30, 900)
    assert measures_of(comparison.agreement).accuracy == pytest.approx(420 / 870)
    # Of bouts: groom begins 1 s late; rest 0.5 s late (15 frames come before the first window).
    matched = comparison.agreement.bouts_matched.tolist()
    assert matched == [0, 0, 1, 0, 0, 0, 1, 0, 0]
    assert "the model has no label 'sleep' (0.5 s)" in texts(comparison)
    stricter = one(tmp_path / "out", notes, options=CompareOptions(tolerance_us=900_000))
    assert stricter.agreement.bouts_matched.tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0]


def test_names_offset_and_a_part(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    notes = intervals(tmp_path, (0, 9, "sleep"), (9, 14, "Groom"), (14, 19, "other stuff"))
    options = CompareOptions(
        names={"sleep": "rest", "other stuff": ""},
        offset_us=1_000_000,
        start_us=2_000_000,
        stop_us=20_000_000,
    )
    comparison = one(tmp_path / "out", notes, options=options)
    assert counts(comparison) == {("rest", "rest"): 240, ("groom", "groom"): 150}
    assert comparison.agreement.account.frames == 540
    assert (comparison.begin_us, comparison.end_us) == (2_000_000, 20_000_000)
    assert "taken as the model's labels: sleep as rest, Groom as groom" in texts(comparison, "note")


def test_others_are_a_behaviour(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    notes = intervals(tmp_path, (9, 14, "groom"), (20, 25, "fight"))
    comparison = one(tmp_path / "out", notes, options=CompareOptions(others=True))
    assert comparison.agreement.labels == (*HOMECAGE9, OTHER)
    # Frames before the first window are unscored.
    assert counts(comparison) == {
        ("groom", "groom"): 120,
        ("groom", OTHER): 30,
        (OTHER, "groom"): 30,
        (OTHER, OTHER): 705,
    }
    account = comparison.agreement.account
    assert (account.unscored, account.unannotated, account.unknown) == (15, 0, 0)


def test_two_people_are_compared_with_each_other(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    anna = intervals(tmp_path, (0, 10, "rest"), (10, 20, "groom"), name="anna.csv")
    ben = intervals(tmp_path, (0, 12, "rest"), (12, 20, "groom"), name="ben.csv")
    comparisons, _ = compared(tmp_path / "out", anna, ben)
    assert [(row.reference, row.other) for row in comparisons] == [
        ("anna.csv", MODEL),
        ("ben.csv", MODEL),
        ("anna.csv", "ben.csv"),
    ]
    assert counts(comparisons[2]) == {
        ("rest", "rest"): 300,
        ("groom", "rest"): 60,
        ("groom", "groom"): 240,
    }
    (total,) = total_of(comparisons)
    assert (total.recording, total.other) == (ALL, MODEL)
    added = comparisons[0].agreement.confusion + comparisons[1].agreement.confusion
    assert total.agreement.confusion.tolist() == added.tolist()


def test_people_who_annotated_different_parts_are_not_compared(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    anna = intervals(tmp_path, (0, 10, "rest"), name="anna.csv")
    ben = intervals(tmp_path, (10, 20, "rest"), name="ben.csv")
    comparisons, _ = compared(tmp_path / "out", anna, ben)
    assert [row.other for row in comparisons] == [MODEL, MODEL]


def test_several_recordings_and_one_annotation_too_many(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_recording(tmp_path / "out", name, num_frames=900, bouts=BOUTS)
    table = tmp_path / "all.csv"
    table.write_text(
        "video,start_s,stop_s,label\n"
        "b.mp4,0,10,rest\na.mp4,10,15,groom\na.mp4,0,10,rest\nc.mp4,0,1,rest\n"
    )
    comparisons, (note,) = compared(tmp_path / "out", table)
    assert {row.recording: row.agreement.account.compared for row in comparisons} == {
        "a.mp4": 435,
        "b.mp4": 285,
    }
    assert note.kind == "warning"
    assert note.text == "all.csv: left out: of c.mp4, not of these"


def test_smoothing_is_the_models(tmp_path):
    bouts = [("rest", 10.0), ("groom", 0.1), ("rest", 20.0)]
    write_recording(tmp_path / "out", num_frames=900, bouts=bouts)
    notes = intervals(tmp_path, (0, 30, "rest"))
    assert counts(one(tmp_path / "out", notes))[("rest", "groom")] == 3
    options = CompareOptions(smoothing=Smoothing(merge_bouts_frames=3))
    assert counts(one(tmp_path / "out", notes, options=options)) == {("rest", "rest"): 885}


def test_frames_by_their_numbers(tmp_path):
    folder = write_recording(tmp_path / "out", num_frames=300, first_frame=50, seed=1)
    comparison = one(tmp_path / "out", folder / "frames.csv")
    account = comparison.agreement.account
    assert (account.compared, account.unannotated) == (285, 15)
    assert comparison.agreement.confusion.trace() == 285


def test_deepethogram_labels(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    rows = [f"{n},{int(n >= 600)},{int(300 <= n < 600)},{int(n < 310)}" for n in range(900)]
    labels = tmp_path / "mouse_labels.csv"
    labels.write_text("\n".join([",background,groom,rest", *rows]) + "\n")
    comparison = one(tmp_path / "out", labels)
    account = comparison.agreement.account
    assert (account.overlapping, account.unknown, account.unscored) == (10, 300, 15)
    assert counts(comparison) == {
        ("rest", "rest"): 285,
        ("groom", "groom"): 140,
        ("groom", "rest"): 150,
    }


def boris_rows(*, source: str, lengths: str, fps: str) -> str:
    header = (
        "Observation id\tSource\tMedia duration (s)\tFPS (frame/s)\tSubject\tBehavior\t"
        "Behavior type\tStart (s)\tStop (s)\n"
    )
    row = f"obs\t{source}\t{lengths}\t{fps}\t\trest\tSTATE\t1\t9\n"
    return header + row + row.replace("1\t9", "2\t2").replace("STATE", "POINT")


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({}, ""),
        ({"source": "player #1:/x/cat.mp4"}, "is of cat.mp4, the results are of mouse.mp4"),
        ({"lengths": "40.000"}, "the annotated video lasts 40.0 s, the classified one 30.0 s"),
        ({"fps": "25.000"}, "the annotated video has 25 frames/s, the classified one 30"),
    ],
)
def test_what_looks_like_another_video_is_said(tmp_path, fields, warning):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    file = tmp_path / "export.tsv"
    values = {"source": "player #1:C:\\x\\mouse.mp4", "lengths": "30.000", "fps": "30.000"}
    file.write_text(boris_rows(**{**values, **fields}))
    comparison = one(tmp_path / "out", file)
    assert warning in texts(comparison)
    assert bool(texts(comparison)) == bool(warning)
    assert "left out: 1 point events" in texts(comparison, "note")


def test_a_wrong_beginning_is_said_with_the_option_that_mends_it(tmp_path):
    write_recording(tmp_path / "out", num_frames=18000, seed=4)
    ethogram = read_ethogram(tmp_path / "out", "mouse.mp4")
    rows = [
        (start / 1e6 + 20, stop / 1e6 + 20, ethogram.labels[code])
        for start, stop, code in zip(
            ethogram.times_us[:-1], ethogram.times_us[1:], ethogram.codes, strict=True
        )
        if code >= 0
    ]
    notes = intervals(tmp_path, *rows)
    comparison = one(tmp_path / "out", notes, options=CompareOptions(offset_us=-5_000_000))
    assert "lay 15.0 s earlier" in texts(comparison)
    assert "Try --offset -20.0" in texts(comparison)
    mended = one(tmp_path / "out", notes, options=CompareOptions(offset_us=-20_000_000))
    assert measures_of(mended.agreement).kappa > 0.999
    assert texts(mended) == ""


def test_what_lies_outside_or_is_not_annotated_is_said(tmp_path):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    notes = intervals(tmp_path, (0, 3, "rest"), (29, 33, "eat"), (40, 50, "eat"))
    comparison = one(tmp_path / "out", notes)
    assert "1 of 3 events lie wholly outside" in texts(comparison)
    assert "are cut there: 1" in texts(comparison, "note")
    assert "86.7% of the frames are not annotated" in texts(comparison, "note")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CompareOptions(names={"nap": "rest"}), r"--map nap=…: expected a behaviour of the ann"),
        (CompareOptions(names={"rest": "nap"}), r"expected one of the model's labels, got 'nap'"),
        (CompareOptions(start_us=40_000_000), r"--start and --stop to leave a part of 0 to 30 s"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, options, message):
    write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    with pytest.raises(InputError, match=message):
        compared(tmp_path / "out", intervals(tmp_path, (0, 3, "rest")), options=options)


def test_no_results(tmp_path):
    with pytest.raises(ResultError, match="no results in it"):
        compared(tmp_path, intervals(tmp_path, (0, 3, "rest")))


def test_models_of_different_labels_have_no_total(tmp_path):
    def of(labels: Sequence[str], name: str) -> list[Comparison]:
        write_recording(tmp_path / name, name, labels=labels, num_frames=300)
        return compared(tmp_path / name, intervals(tmp_path, (0, 3, "rest")))[0]

    both = [*of(HOMECAGE9, "a.mp4"), *of(("rest", "walk"), "b.mp4")]
    with pytest.raises(ResultError, match=r"b.mp4: expected the labels of a.mp4"):
        total_of(both)
