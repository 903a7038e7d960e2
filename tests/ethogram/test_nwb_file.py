"""ethogram.nwb, as pynwb reads it and nwbinspector judges it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO
from pynwb.testing.mock.file import mock_NWBFile
from tests.conftest import MakeVideo
from tests.ethogram.synthetic import HOMECAGE9, frame_times_us, write_recording

from i3d_client.durable import complete_file
from i3d_client.errors import OutputError
from i3d_client.results import read_run, write_run
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.nwb_file import NWB_FILE, write_nwb
from i3d_ethogram.formats.nwb_subject import subject_of
from i3d_ethogram.reading import open_scores, read_ethogram

NTSC = Fraction(30000, 1001)


@contextmanager
def read(folder: Path) -> Iterator[Any]:
    with (
        (folder / NWB_FILE).open("rb") as file,
        h5py.File(file, "r") as hdf5,
        NWBHDF5IO(mode="r", file=hdf5) as io,
    ):
        yield io.read()


@pytest.fixture
def recording(tmp_path: Path, make_video: MakeVideo) -> tuple[Path, Ethogram]:
    folder = write_recording(
        tmp_path / "out", lost_frames=[300], fps=NTSC, video=make_video(900, rate=NTSC)
    )
    return folder, read_ethogram(tmp_path / "out", folder.name)


def test_nothing_critical_and_nothing_that_could_be_known(
    recording: tuple[Path, Ethogram],
) -> None:
    from nwbinspector import inspect_nwbfile

    folder, ethogram = recording
    ethogram = replace(ethogram, recorded_at=datetime(2026, 3, 4, 12, tzinfo=UTC))
    animal = {"animal": "m1", "sex": "female", "age": "P12W", "species": "Mus musculus"}
    write_nwb(folder, ethogram, open_scores(folder), animal=animal)
    messages = list(inspect_nwbfile(nwbfile_path=folder / NWB_FILE))
    assert {message.check_function_name for message in messages} == {
        "check_experimenter_exists",
        "check_experiment_description",
        "check_institution",
    }
    started = {**ethogram.run["run"], "started_at": "2026-03-05T08:00:00+00:00"}
    ethogram = replace(ethogram, recorded_at=None, run={**ethogram.run, "run": started})
    write_nwb(folder, ethogram, open_scores(folder))
    unknown = list(inspect_nwbfile(nwbfile_path=folder / NWB_FILE))
    assert "CRITICAL" not in {message.importance.name for message in unknown}


def test_bouts_and_what_they_refer_to(recording: tuple[Path, Ethogram]) -> None:
    folder, ethogram = recording
    write_nwb(folder, ethogram, open_scores(folder))
    runs = ethogram.codes >= 0
    with read(folder) as nwb:
        module = nwb.processing["behavior"]
        bouts = module["bouts"]
        table = bouts.to_dataframe()
        assert len(table) == runs.sum() > 3
        assert table["start_time"].tolist() == (ethogram.times_us[:-1][runs] / 1e6).tolist()
        assert table["stop_time"].tolist() == (ethogram.times_us[1:][runs] / 1e6).tolist()
        assert table["label"].tolist() == [HOMECAGE9[code] for code in ethogram.codes[runs]]
        assert table["score"].tolist() == ethogram.scores[runs].tolist()
        assert table["start_frame"].tolist() == ethogram.first_frames[:-1][runs].tolist()
        assert table["stop_frame"].tolist() == ethogram.first_frames[1:][runs].tolist()
        assert bouts.labeling_method == "automated"
        assert bouts.source_software.startswith("i3d-triton ")
        assert bouts.source is module["probabilities"]
        assert bouts.source_video is nwb.acquisition["video"]
        assert bouts.observation_intervals is module["observed"]
        catalogue = bouts.ethogram
        assert catalogue.exclusive
        assert catalogue["behavior"].data[:].tolist() == list(HOMECAGE9)
        assert catalogue["native_code"].data[:].tolist() == list(range(9))
        parameters = json.loads(bouts.parameters)
        assert parameters["run"]["model"]["contract"]["labels"] == list(HOMECAGE9)
        assert parameters["smoothing"] == ethogram.smoothing.as_document()


def test_where_no_bout_does_not_mean_no_behaviour(recording: tuple[Path, Ethogram]) -> None:
    folder, ethogram = recording
    write_nwb(folder, ethogram, open_scores(folder))
    times = (frame_times_us(900, NTSC) / 1e6).tolist()
    with read(folder) as nwb:
        module = nwb.processing["behavior"]
        observed = module["observed"].to_dataframe()
        assert observed["start_time"].tolist() == [times[15], times[316]]
        assert observed["stop_time"].tolist() == [times[300], times[900]]
        unscored = module["unscored"].to_dataframe()
        assert unscored["reason"].tolist() == ["before_first", "lost", "near_lost"]
        assert unscored["start_time"].tolist() == [0.0, times[300], times[301]]
        assert unscored["stop_time"].tolist() == [times[15], times[301], times[316]]


def test_every_probability_at_its_time(recording: tuple[Path, Ethogram]) -> None:
    folder, ethogram = recording
    write_nwb(folder, ethogram, open_scores(folder))
    (batch,) = open_scores(folder).batches()
    with read(folder) as nwb:
        series = nwb.processing["behavior"]["probabilities"]
        data = series.data[:]
        assert data.dtype == np.float32
        scored = batch.statuses == 0
        assert np.array_equal(data[scored], batch.probabilities[scored])
        assert np.isnan(data[~scored]).all()
        assert (~scored).sum() == 15 + 16
        expected = frame_times_us(900, NTSC)[:-1] / 1e6
        assert np.array_equal(series.timestamps[:], expected)
        assert np.array_equal(nwb.acquisition["video"].timestamps[:], expected)


def test_a_recording_that_is_read_in_parts(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, num_frames=140_000)
    batches = list(open_scores(folder).batches())
    assert len(batches) == 3
    write_nwb(folder, read_ethogram(tmp_path, folder.name), open_scores(folder))
    with read(folder) as nwb:
        series = nwb.processing["behavior"]["probabilities"]
        expected = np.concatenate([batch.probabilities for batch in batches])
        assert np.array_equal(np.nan_to_num(series.data[:]), expected)
        times_us = np.concatenate([batch.times_us[:-1] for batch in batches])
        assert np.array_equal(series.timestamps[:], times_us / 1e6)


def test_the_video_is_found_from_the_file(recording: tuple[Path, Ethogram]) -> None:
    folder, ethogram = recording
    write_nwb(folder, ethogram, open_scores(folder))
    with read(folder) as nwb:
        (path,) = nwb.acquisition["video"].external_file[:]
        assert path == "../../numbered.mp4"
        assert (folder / path).is_file()


def test_a_part_of_several_videos(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, first_frame=60)
    run = dict(read_run(folder) or {})
    video = run["videos"][0]
    run["videos"] = [{**video, "path": f"/v/{name}.mp4", "frames": 700} for name in "ab"]
    run["frames"] = {**run["frames"], "in_file": 1400}
    write_run(folder, run)
    write_nwb(folder, read_ethogram(tmp_path, folder.name), open_scores(folder))
    with read(folder) as nwb:
        series = nwb.acquisition["video"]
        assert len(series.external_file) == 2
        assert series.starting_frame[:].tolist() == [0, 700]
        assert (series.rate, series.starting_time, series.num_samples) == (30.0, 0.0, 1400)
        assert "Not all of it" in series.description
        assert "number 60 of" in nwb.processing["behavior"]["probabilities"].description
        assert nwb.processing["behavior"]["bouts"]["start_frame"][0] == 75


def test_when_the_session_began_is_known_or_said_not_to_be(
    recording: tuple[Path, Ethogram],
) -> None:
    folder, ethogram = recording
    write_nwb(folder, ethogram, open_scores(folder))
    with read(folder) as nwb:
        first = nwb.identifier
        assert nwb.session_start_time == datetime(2026, 11, 25, 10, tzinfo=UTC)
        assert "is not known" in nwb.session_description
    zone = timezone(timedelta(hours=5, minutes=30))
    known = replace(ethogram, recorded_at=datetime(2026, 3, 4, 19, 30, tzinfo=zone))
    write_nwb(folder, known, open_scores(folder))
    with read(folder) as nwb:
        assert nwb.session_start_time == datetime(2026, 3, 4, 14, tzinfo=UTC)
        assert nwb.session_description.endswith("start is when the recording began.")
        assert nwb.identifier == first
    here = replace(ethogram, recorded_at=datetime(2026, 3, 4, 19, 30))
    write_nwb(folder, here, open_scores(folder))
    with read(folder) as nwb:
        assert nwb.session_start_time == datetime(2026, 3, 4, 19, 30).astimezone()
        assert "time zone of the machine" in nwb.session_description


def test_a_recording_without_a_label_and_one_without_a_gap(tmp_path: Path) -> None:
    every = write_recording(tmp_path, "lost.mp4", num_frames=40, lost_frames=range(40))
    write_nwb(every, read_ethogram(tmp_path, "lost.mp4"), open_scores(every))
    with read(every) as nwb:
        module = nwb.processing["behavior"]
        assert len(module["bouts"]) == len(module["observed"]) == 0
        assert module["unscored"]["reason"][:].tolist() == ["lost"]
    none = write_recording(tmp_path, "short.mp4", num_frames=16, label_frame="centre")
    write_nwb(none, read_ethogram(tmp_path, "short.mp4"), open_scores(none))
    with read(none) as nwb:
        module = nwb.processing["behavior"]
        assert "unscored" not in module.data_interfaces
        assert len(module["observed"]) == 1


def test_strange_labels_and_names(tmp_path: Path) -> None:
    labels = ('say "hi", then/or', "größer", *(f"class {n}" for n in range(398)))
    folder = write_recording(tmp_path, "a b\n\udce4.mp4", labels=labels, bouts=[("größer", 30)])
    write_nwb(folder, read_ethogram(tmp_path, folder.name), open_scores(folder))
    with read(folder) as nwb:
        module = nwb.processing["behavior"]
        assert module["bouts"]["label"][:].tolist() == ["größer"]
        assert tuple(module["ethogram"]["behavior"].data[:]) == labels
        assert nwb.subject.subject_id == "a b\\n\\xe4.mp4"
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("animal", "expected"),
    [
        ({}, {"subject_id": "day1_m.mp4", "sex": "U", "age": "P0D/", "species": None}),
        ({"Animal": "m/7 ", "Sex": "Male"}, {"subject_id": "m_7", "sex": "M"}),
        ({"mouse": "7", "sex": "f", "age": "P12W/P14W"}, {"sex": "F", "age": "P12W/P14W"}),
        ({"animal": "7", "age": "12 weeks", "sex": "?"}, {"age": "P0D/", "sex": "U"}),
        ({"animal": "7", "genotype": "wt/wt", "strain": "C57BL/6J"}, {"genotype": "wt/wt"}),
        ({"animal": "7", "species": "Mus musculus", "age": "P"}, {"species": "Mus musculus"}),
    ],
)
def test_what_is_known_of_the_animal(
    animal: Mapping[str, str], expected: Mapping[str, str | None]
) -> None:
    subject = subject_of("day1/m.mp4", animal)
    assert {name: getattr(subject, name) for name in expected} == expected
    mock_NWBFile(subject=subject)


def test_nothing_known_of_the_animal_is_lost() -> None:
    animal = {"animal": "7", "age": "12 weeks", "sex": "?", "cage": "3", "dose": "", "day": "2"}
    description = subject_of("m.mp4", animal).description
    assert description.splitlines() == ["age: 12 weeks", "sex: ?", "cage: 3", "day: 2"]
    assert "not known" in subject_of("m.mp4", {"cage": "3"}).description


def test_nothing_is_left_where_it_cannot_be_written(recording: tuple[Path, Ethogram]) -> None:
    folder, ethogram = recording
    (folder / NWB_FILE).mkdir()
    with complete_file(folder / NWB_FILE / "in the way") as file:
        file.write("x")
    with pytest.raises(OutputError, match="ethogram"):
        write_nwb(folder, ethogram, open_scores(folder))
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("module", ["pynwb", "ndx_ethogram", "h5py"])
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, module: str) -> None:
    write_recording(tmp_path, num_frames=40)
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from pathlib import Path\n"
        "from i3d_client.errors import MissingExtraError\n"
        "from i3d_ethogram.formats.nwb_file import write_nwb\n"
        "from i3d_ethogram.reading import open_scores, read_ethogram\n"
        "out = Path(sys.argv[1])\n"
        "try:\n"
        "    write_nwb(out / 'mouse.mp4', read_ethogram(out, 'mouse.mp4'),"
        " open_scores(out / 'mouse.mp4'))\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "--format nwb needs an extra: pip install 'i3d-triton[nwb]'"


def test_a_video_that_moved_is_linked_where_it_is_now(
    recording: tuple[Path, Ethogram], tmp_path: Path
) -> None:
    folder, ethogram = recording
    video = {
        **ethogram.run["videos"][0],
        "path": str(tmp_path / "gone" / "mouse.mp4"),
        "bytes": 5,
        "sha256": hashlib.sha256(b"video").hexdigest(),
    }
    ethogram = replace(ethogram, run={**ethogram.run, "videos": [video]})
    place = tmp_path / "moved" / "m1" / "mouse.mp4"
    place.parent.mkdir(parents=True)
    for content, path in (
        (b"VIDEO", "../../gone/mouse.mp4"),
        (b"video", "../../moved/m1/mouse.mp4"),
    ):
        place.write_bytes(content)
        os.utime(place, ns=(len(path), len(path)))
        write_nwb(folder, ethogram, open_scores(folder), videos=tmp_path / "moved")
        with read(folder) as nwb:
            assert nwb.acquisition["video"].external_file[:].tolist() == [path]
