from pathlib import Path

import pytest

from i3d_client.errors import InputError
from i3d_ethogram.annotations.annotation import Annotation, Interval
from i3d_ethogram.annotations.annotation_matching import match_annotations, name_of


def annotation(file: str, *media: str, observation: str = "") -> Annotation:
    return Annotation(
        file=Path(file),
        kind="",
        unit="us",
        intervals=(Interval(label="rest", start=0, stop=1),),
        labels=("rest",),
        media=media,
        observation=observation,
    )


def matched(annotations: list[Annotation], **recordings: str) -> dict[str, list[str]]:
    videos = {name: [path] for name, path in recordings.items()}
    found, unmatched = match_annotations(annotations, videos)
    names = {name: [name_of(one) for one in ones] for name, ones in found.items()}
    return {**names, **({"": [name_of(one) for one in unmatched]} if unmatched else {})}


def test_by_the_video_that_it_names():
    boris = annotation("all.tsv", r"C:\lab\M2.AVI", observation="second")
    assert matched([boris], one="/v/m1.mp4", two="/v/m2.mp4") == {"two": ["all.tsv, second"]}


def test_the_path_decides_between_equal_names():
    of = annotation("x.csv", "/data/cage2/top.mp4")
    assert matched([of], one="/v/cage1/top.mp4", two="/v/cage2/top.mp4") == {"two": ["x.csv"]}
    with pytest.raises(InputError, match=r"top.mp4 may be any of 'one', 'two'"):
        matched([annotation("x.csv", "top.mp4")], one="/v/cage1/top.mp4", two="/v/cage2/top.mp4")


def test_by_its_own_name():
    names = ["m1.csv", "m1.mp4.csv", "m1_labels.csv", "M1-anna.tsv", "m10.csv", "other.csv"]
    assert matched([annotation(name) for name in names], one="/v/m1.mp4", ten="/v/m10.mp4") == {
        "one": ["m1.csv", "m1.mp4.csv", "m1_labels.csv", "M1-anna.tsv"],
        "ten": ["m10.csv"],
        "": ["other.csv"],
    }


def test_the_longest_name_goes_first():
    assert matched(
        [annotation("cage 1 night labels.csv")], a="/v/cage 1.mp4", b="/v/cage 1 night.mp4"
    ) == {"b": ["cage 1 night labels.csv"]}


def test_a_longer_name_is_another_video():
    assert matched([annotation("m10.csv"), annotation("m1.csv")], m1="m1.mp4", x="x.mp4") == {
        "m1": ["m1.csv"],
        "": ["m10.csv"],
    }


def test_with_one_recording_the_only_annotation_of_a_file_is_of_it():
    assert matched([annotation("notes.csv"), annotation("b.csv", "x.mp4")], one="/v/m1.mp4") == {
        "one": ["notes.csv", "b.csv"]
    }


def test_of_several_observations_the_one_that_names_the_video_is_taken():
    both = [
        annotation("p.boris", "m1.mp4", observation="a"),
        annotation("p.boris", "m2.mp4", observation="b"),
    ]
    assert matched(both, one="/v/m2.mp4") == {"one": ["p.boris, b"], "": ["p.boris, a"]}


def test_none_of_them_is_an_error():
    both = [annotation("p.boris", "m1.mp4"), annotation("p.boris", "m2.mp4")]
    with pytest.raises(InputError, match=r"annotations of 'one', got those of 'm1.mp4', 'm2.mp4'"):
        matched(both, one="/v/m3.mp4")
    with pytest.raises(InputError, match=r"got those of 'notes\.csv'"):
        matched([annotation("notes.csv")], one="/v/m1.mp4", two="/v/m2.mp4")


def test_all_videos_of_a_recording_count():
    found, _ = match_annotations([annotation("x.csv", "b.mp4")], {"r": ["/v/a.mp4", "/v/b.mp4"]})
    assert list(found) == ["r"]
