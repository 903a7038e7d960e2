"""The experiment's tables, read as a lab reads them; every sum is exact to the microsecond."""

import csv
import tempfile
import tracemalloc
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ethogram.ethograms import ethograms
from tests.ethogram.synthetic import make_ethogram, random_bouts

from i3d_client.errors import OutputError
from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.metadata import RecordingMetadata
from i3d_ethogram.smoothing import Smoothing
from i3d_ethogram.statistics import transitions
from i3d_ethogram.tables.experiment import (
    ANIMALS_FILE,
    BOUT_STATISTICS_FILE,
    BUDGET_FILE,
    SUMMARY_FILE,
    TRANSITIONS_FILE,
    Experiment,
)

Table = list[dict[str, str]]
LABELS = ("rest", "walk", "groom")
MADE_BY = ["homecage9_fp32, version 1, openvino, fp32", "none"]
MAKERS = ["model", "smoothing"]
NINE = datetime(2026, 11, 25, 9, 0)


def write(
    out: Path, *recordings: Ethogram, metadata: RecordingMetadata | None = None
) -> dict[str, Table]:
    experiment = Experiment() if metadata is None else Experiment(metadata=metadata)
    for recording in recordings:
        experiment.add(recording)
    return {name: read(out / name) for name in experiment.write(out)}


def read(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def known(**rows: dict[str, str]) -> RecordingMetadata:
    columns = tuple(dict.fromkeys(column for values in rows.values() for column in values))
    return RecordingMetadata(columns=columns, rows=rows)


def seconds(microseconds: int) -> Decimal:
    return Decimal(microseconds) / 1_000_000


def test_summary_has_a_row_a_recording_and_hour(tmp_path: Path) -> None:
    first = make_ethogram([("rest", 3000.0), ("walk", 1000.0)], labels=LABELS, name="a.mp4")
    second = make_ethogram(
        [(Status.LOST, 10.0), ("groom", 20.0)], labels=LABELS, name="b.mp4", recorded_at=NINE
    )
    rows = write(tmp_path, first, second)[SUMMARY_FILE]
    assert [list(row.values())[:-2] for row in rows] == [
        ["a.mp4", "0", "", "3000.000000", "600.000000", "0.000000", "0.000000", "3600.000000"],
        ["a.mp4", "1", "", "0.000000", "400.000000", "0.000000", "0.000000", "400.000000"],
        [
            *("b.mp4", "0", "2026-11-25T09:00:00"),
            *("0.000000", "0.000000", "20.000000", "10.000000", "30.000000"),
        ],
    ]
    assert list(rows[0]) == ["recording", "hour", "clock", *LABELS, "unscored", "total", *MAKERS]


def test_metadata_stand_in_every_table(tmp_path: Path) -> None:
    bouts = [("rest", 2.0), ("walk", 1.0)]
    recordings = [make_ethogram(bouts, labels=LABELS, name=name) for name in ("a", "b")]
    metadata = known(a={"sex": "f", "day": "2"})
    tables = write(tmp_path, *recordings, metadata=metadata)
    assert set(tables) == {SUMMARY_FILE, BUDGET_FILE, BOUT_STATISTICS_FILE, TRANSITIONS_FILE}
    for rows in tables.values():
        assert list(rows[0])[:3] == ["recording", "sex", "day"]
        assert {(row["recording"], row["sex"], row["day"]) for row in rows} == {
            ("a", "f", "2"),
            ("b", "", ""),
        }


def test_time_budget_has_a_row_a_label_and_one_for_the_unscored_time(tmp_path: Path) -> None:
    recording = make_ethogram([(Status.LOST, 2.0), ("rest", 6.0), ("walk", 2.0)], labels=LABELS)
    rows = write(tmp_path, recording)[BUDGET_FILE]
    assert [list(row.values())[1:-2] for row in rows] == [
        ["rest", "6.000000", "60.0000", "75.0000"],
        ["walk", "2.000000", "20.0000", "25.0000"],
        ["groom", "0.000000", "0.0000", "0.0000"],
        ["", "2.000000", "20.0000", ""],
    ]


def test_bout_statistics_by_hand(tmp_path: Path) -> None:
    bouts = [("rest", 1.0), ("walk", 5.0), ("rest", 2.0), ("walk", 1.0), ("rest", 4.0)]
    rows = write(tmp_path, make_ethogram(bouts, labels=LABELS))[BOUT_STATISTICS_FILE]
    assert rows[0] == {
        "recording": "mouse.mp4",
        "label": "rest",
        "bouts": "3",
        "total_s": "7.000000",
        "mean_s": "2.333333",
        "median_s": "2.000000",
        "p95_s": "3.800000",  # nine tenths of the way from the second to the third
        "longest_s": "4.000000",
        "first_bout_s": "0.000000",
        "cut_off": "2",
        "model": MADE_BY[0],
        "smoothing": MADE_BY[1],
    }
    assert rows[1]["first_bout_s"] == "1.000000"
    assert list(rows[2].values())[1:-2] == ["groom", "0", "0.000000", *[""] * 5, "0"]


def test_transitions_name_every_pair_that_occurs_anywhere(tmp_path: Path) -> None:
    first = [("rest", 1.0), ("walk", 1.0), ("rest", 1.0), ("walk", 1.0), ("groom", 1.0)]
    second = [("walk", 1.0), ("groom", 1.0)]
    recordings = [
        make_ethogram(first, labels=LABELS, name="a"),
        make_ethogram(second, labels=LABELS, name="b"),
    ]
    rows = write(tmp_path, *recordings)[TRANSITIONS_FILE]
    assert [list(row.values())[:-2] for row in rows] == [
        ["a", "rest", "walk", "2", "100.0000"],
        ["a", "walk", "rest", "1", "50.0000"],
        ["a", "walk", "groom", "1", "50.0000"],
        ["b", "rest", "walk", "0", ""],
        ["b", "walk", "rest", "0", "0.0000"],
        ["b", "walk", "groom", "1", "100.0000"],
    ]


def test_files_of_an_animal_add_up_to_hours_of_the_clock(tmp_path: Path) -> None:
    """Two files of an hour, begun at 9:45 and 10:45, and one of another mouse."""
    bouts = [("rest", 1800.0), ("walk", 1800.0)]
    began = (NINE.replace(minute=45), NINE.replace(hour=10, minute=45))
    files = [
        make_ethogram(bouts, labels=LABELS, name=f"m1_{at}", recorded_at=time)
        for at, time in enumerate(began)
    ]
    other = make_ethogram([("groom", 5.0)], labels=LABELS, name="m2", recorded_at=NINE)
    metadata = known(
        m1_0={"animal": "m1", "sex": "f", "day": "1"},
        m1_1={"animal": "m1", "sex": "f", "day": "2"},
        m2={"animal": "m2", "sex": "m", "day": "1"},
    )
    rows = write(tmp_path, files[0], other, files[1], metadata=metadata)[ANIMALS_FILE]
    assert [list(row.values())[:-2] for row in rows] == [
        ["m1", "f", "1", "1", "0", "2026-11-25T09:00:00", *_texts(900, 0, 0, 0, 900)],
        ["m1", "f", "", "2", "1", "2026-11-25T10:00:00", *_texts(1800, 1800, 0, 0, 3600)],
        ["m1", "f", "2", "1", "2", "2026-11-25T11:00:00", *_texts(900, 1800, 0, 0, 2700)],
        ["m2", "m", "1", "1", "0", "2026-11-25T09:00:00", *_texts(0, 0, 5, 0, 5)],
    ]
    assert list(rows[0])[:6] == ["animal", "sex", "day", "recordings", "hour", "clock"]


def _texts(*numbers: int) -> list[str]:
    return [f"{number}.000000" for number in numbers]


def test_files_of_an_animal_without_clocks_are_not_laid_side_by_side(tmp_path: Path) -> None:
    files = [make_ethogram([("rest", 4000.0)], labels=LABELS, name=name) for name in ("a", "b")]
    alone = make_ethogram([("walk", 4000.0)], labels=LABELS, name="c")
    metadata = known(a={"animal": "x"}, b={"animal": "x"}, c={"animal": "y"})
    rows = write(tmp_path, *files, alone, metadata=metadata)[ANIMALS_FILE]
    assert [(row["animal"], row["hour"], row["rest"], row["walk"]) for row in rows] == [
        ("x", "", "8000.000000", "0.000000"),
        ("y", "0", "0.000000", "3600.000000"),
        ("y", "1", "0.000000", "400.000000"),
    ]


def test_a_table_of_animals_that_is_no_longer_true_is_removed(tmp_path: Path) -> None:
    recording = make_ethogram([("rest", 4.0)], labels=LABELS, name="a")
    write(tmp_path, recording, metadata=known(a={"animal": "x"}))
    assert (tmp_path / ANIMALS_FILE).exists()
    write(tmp_path, recording)
    assert not (tmp_path / ANIMALS_FILE).exists()


def test_a_label_that_a_model_does_not_have_is_empty_and_not_zero(tmp_path: Path) -> None:
    recordings = [
        make_ethogram([("rest", 2.0)], labels=("rest", "walk"), name="a"),
        make_ethogram([("dig", 2.0)], labels=("dig", "rest"), name="b"),
    ]
    tables = write(tmp_path, *recordings)
    assert [(row["rest"], row["walk"], row["dig"]) for row in tables[SUMMARY_FILE]] == [
        ("2.000000", "0.000000", ""),
        ("0.000000", "", "2.000000"),
    ]
    assert [row["label"] for row in tables[BUDGET_FILE]] == ["rest", "walk", "", "dig", "rest", ""]


def test_an_animals_hour_has_the_labels_of_its_own_models_alone(tmp_path: Path) -> None:
    recordings = [
        make_ethogram([("rest", 2.0)], labels=("rest", "walk"), name="a"),
        make_ethogram([("dig", 2.0)], labels=("dig", "rest"), name="b"),
    ]
    metadata = known(a={"animal": "x"}, b={"animal": "y"})
    rows = write(tmp_path, *recordings, metadata=metadata)[ANIMALS_FILE]
    assert [(row["rest"], row["walk"], row["dig"]) for row in rows] == [
        ("2.000000", "0.000000", ""),
        ("0.000000", "", "2.000000"),
    ]


def test_of_400_labels_only_those_that_occur_anywhere_have_columns(tmp_path: Path) -> None:
    labels = tuple(f"behaviour, {index}" for index in range(400))
    recordings = [
        make_ethogram([(labels[at], 2.0), (labels[7], 1.0)], labels=labels, name=f"{at}")
        for at in (300, 20)
    ]
    tables = write(tmp_path, *recordings)
    shown = [labels[7], labels[20], labels[300]]
    assert list(tables[SUMMARY_FILE][0])[3:-4] == shown
    assert [row["label"] for row in tables[BUDGET_FILE]] == [*shown, "", *shown, ""]
    assert [row["label"] for row in tables[BOUT_STATISTICS_FILE]] == [*shown, *shown]


def test_columns_never_have_one_name(tmp_path: Path) -> None:
    labels = ("total", "sex", "rest", "total (label)", "hour")
    bouts = [(label, 1.0) for label in labels]
    metadata = known(a={"sex": "f", "clock": "slow", "label": "x", "animal": "m"})
    tables = write(tmp_path, make_ethogram(bouts, labels=labels, name="a"), metadata=metadata)
    for name in tables:
        with (tmp_path / name).open(newline="") as file:
            header = next(csv.reader(file))
        assert len(set(header)) == len(header), header
    row = tables[SUMMARY_FILE][0]
    assert (row["sex"], row["clock (metadata)"], row["total"]) == ("f", "slow", "5.000000")
    assert row["total (label)"] == "1.000000"
    assert tables[BUDGET_FILE][0]["label (metadata)"] == "x"
    assert tables[BUDGET_FILE][0]["label"] == "total"


def test_names_of_any_kind_stay_in_their_cells(tmp_path: Path) -> None:
    labels = ('say "hi", twice', "=1+1", "höhle")
    bouts = [(label, 1.0) for label in labels]
    recording = make_ethogram(bouts, labels=labels, name="a;\n,\udce4\"'.mp4")
    tables = write(tmp_path, recording)
    for rows in tables.values():
        assert {row["recording"] for row in rows} == {"a;\\n,\\xe4\"'.mp4"}
    assert [row["label"] for row in tables[BUDGET_FILE]] == [*labels, ""]


def test_what_the_tables_mix_is_said() -> None:
    bouts = [("rest", 7200.0)]
    experiment = Experiment(
        metadata=RecordingMetadata(
            columns=("animal",),
            rows={name: {"animal": "m"} for name in ("a", "b", "c")},
            unmatched=("d\n",),
        )
    )
    first = make_ethogram(bouts, labels=LABELS, name="a", recorded_at=NINE)
    cut = Ethogram(**{**vars(first), "name": "b", "run": {**first.run, "complete": False}})
    later = NINE.replace(hour=10, minute=59, second=59)
    other = make_ethogram(
        bouts,
        name="c",
        recorded_at=later,
        model_name="x_int8",
        smoothing=Smoothing(median_frames=5),
    )
    for recording in (first, cut, other):
        experiment.add(recording)
    said = experiment.warnings()
    assert said[0] == (
        "recordings differ in their models: homecage9_fp32, version 1, openvino, fp32 in a, b; "
        "x_int8, version 1, openvino, fp32 in c"
    )
    assert said[1] == "recordings differ in their smoothing: none in a, b; median frames 5 in c"
    assert said[2] == "recordings differ in their models' contracts (labels): one in a, b; one in c"
    assert said[3] == "not all of these was classified: b"
    assert said[4] == "the metadata have no row for d\\n"
    # The third begins a second before the first two end: no more than files' names can be off by.
    assert said[5:] == ["animal m: a and b overlap by 7200 s, which count twice"]


def changed(ethogram: Ethogram, name: str, **run: object) -> Ethogram:
    """The ethogram under another name, its run.json changed."""
    return Ethogram(**{**vars(ethogram), "name": name, "run": {**ethogram.run, **run}})


def test_models_of_one_name_are_told_apart_by_all_that_makes_them() -> None:
    first = make_ethogram([("rest", 2.0)], name="a")
    model = first.run["model"]
    contract = model["contract"]
    of_model = "recordings differ in their models: homecage9_fp32, version"
    of_contract = "recordings differ in their models' contracts"
    for run, said in (
        ({"model": {**model, "version": "2"}}, of_model),
        ({"model": {**model, "precision": "int8"}}, "openvino, int8 in b"),
        ({"model": {**model, "contract": {**contract, "stride": 4}}}, f"{of_contract} (stride)"),
        (
            {"model": {**model, "contract": {**contract, "trained_fps": 25.0, "colour": "rgb"}}},
            f"{of_contract} (colour, trained_fps): one in a; one in b",
        ),
        (
            {"model": {**model, "build": {"onnx_sha256": "1" * 64}}},
            "recordings differ in their models' builds (onnx_sha256): one in a; one in b",
        ),
        (
            {"packages": {"i3d-triton": "0.2.0"}},
            "recordings differ in their versions of i3d-triton: 0.1.0 in a; 0.2.0 in b",
        ),
    ):
        experiment = Experiment()
        experiment.add(first)
        experiment.add(changed(first, "b", **run))
        (only,) = experiment.warnings()
        assert said in only


def test_labels_that_differ_far_down_the_list_are_noticed() -> None:
    labels = tuple(f"behaviour number {number}" for number in range(40))
    experiment = Experiment()
    experiment.add(make_ethogram([(labels[0], 2.0)], labels=labels, name="a"))
    experiment.add(make_ethogram([(labels[0], 2.0)], labels=(*labels[:-1], "other"), name="b"))
    (said,) = experiment.warnings()
    assert "contracts (labels)" in said


def test_every_table_says_what_made_its_numbers(tmp_path: Path) -> None:
    bouts = [("rest", 2.0), ("walk", 1.0)]
    smoothing = Smoothing(merge_bouts_frames=3, merge_label_frames={"rest": 150})
    recordings = [
        make_ethogram(bouts, labels=LABELS, name="a"),
        make_ethogram(bouts, labels=LABELS, name="b", model_name="x,\n", smoothing=smoothing),
    ]
    metadata = known(a={"animal": "m", "model": "cage"}, b={"animal": "m", "model": "cage"})
    tables = write(tmp_path, *recordings, metadata=metadata)
    other = ["x,\\n, version 1, openvino, fp32"]
    other.append('merge bouts frames 3; merge label frames {"rest": 150}')
    assert len(tables) == 5
    for name, rows in tables.items():
        assert list(rows[0])[-2:] == MAKERS
        assert {row["model (metadata)"] for row in rows} == {"cage"}
        made = {row.get("recording", "m"): list(row.values())[-2:] for row in rows}
        if name == ANIMALS_FILE:
            both = [" | ".join(pair) for pair in zip(MADE_BY, other, strict=True)]
            assert made == {"m": both}
        else:
            assert made == {"a": MADE_BY, "b": other}


def said_of(*recordings: tuple[float, float, float]) -> list[str]:
    """What is said of recordings of one animal: begin, start and stop of what was classified, s."""
    names = [str(at) for at in range(len(recordings))]
    experiment = Experiment(metadata=known(**{name: {"animal": "m"} for name in names}))
    for name, (began_s, start_s, stop_s) in zip(names, recordings, strict=True):
        began = NINE + timedelta(seconds=began_s)
        part = make_ethogram([("rest", stop_s - start_s)], name=name, recorded_at=began)
        times_us = part.times_us + round(start_s * 1_000_000)
        experiment.add(Ethogram(**{**vars(part), "times_us": times_us}))
    return experiment.warnings()


def test_every_overlap_of_an_animals_recordings_is_said_whichever_ends_last() -> None:
    assert said_of((100, 0, 50), (0, 0, 60), (40, 0, 70)) == [
        "animal m: 1 and 2 overlap by 20 s, which count twice",
        "animal m: 2 and 0 overlap by 10 s, which count twice",
    ]
    assert said_of((0, 0, 100), (10, 0, 10), (50, 0, 100)) == [
        "animal m: 0 and 1 overlap by 10 s, which count twice",
        "animal m: 0 and 2 overlap by 50 s, which count twice",
    ]


def test_parts_of_one_recording_do_not_overlap() -> None:
    assert said_of((0, 0, 50), (0, 50, 90)) == []


def test_recordings_that_agree_are_not_warned_about() -> None:
    experiment = Experiment()
    for name in ("a", "b"):
        experiment.add(make_ethogram([("rest", 1.0)], name=name))
    assert experiment.warnings() == []


def test_a_folder_that_is_gone_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"summary\.csv"):
        write(tmp_path / "gone", make_ethogram([("rest", 1.0)]))


def test_what_is_kept_of_a_recording_does_not_grow_with_its_bouts() -> None:
    ethogram = make_ethogram(random_bouts(36_000, mean_s=0.5))
    assert len(ethogram.codes) > 20_000
    experiment = Experiment()
    tracemalloc.start()
    experiment.add(ethogram)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_table_adds_up_to_the_recordings(data: st.DataObject) -> None:
    names = ["a", "b", "c", "d"][: data.draw(st.integers(1, 4))]
    recordings = [data.draw(ethograms(name=name)) for name in names]
    animals = {name: {"animal": data.draw(st.sampled_from(["x", "y"]))} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        tables = write(Path(folder), *recordings, metadata=known(**animals))
    duration = {recording.name: seconds(recording.duration_us) for recording in recordings}
    assert _sums(tables[SUMMARY_FILE], "total") == duration
    assert _sums(tables[BUDGET_FILE], "seconds") == duration
    for row in tables[SUMMARY_FILE] + tables[ANIMALS_FILE]:
        of_labels = sum(Decimal(row[label]) for label in recordings[0].labels)
        assert of_labels + Decimal(row["unscored"]) == Decimal(row["total"])
        assert row["clock"] == "" or row in tables[ANIMALS_FILE] or Decimal(row["total"]) <= 3600
    of_animal: dict[str, Decimal] = defaultdict(Decimal)
    for name, values in animals.items():
        of_animal[values["animal"]] += duration[name]
    assert _sums(tables[ANIMALS_FILE], "total", of="animal") == of_animal
    scored = {
        row["recording"]: Decimal(row["seconds"]) for row in tables[BUDGET_FILE] if not row["label"]
    }
    assert _sums(tables[BOUT_STATISTICS_FILE], "total_s") == {
        name: duration[name] - unscored for name, unscored in scored.items()
    }
    counts = _sums(tables[TRANSITIONS_FILE], "count")
    for recording in recordings:
        assert counts.get(recording.name, 0) == int(transitions(recording).sum())


def _sums(rows: Table, column: str, *, of: str = "recording") -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row[of]] += Decimal(row[column])
    return dict(sums)
