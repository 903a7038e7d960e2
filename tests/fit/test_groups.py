import pytest

from i3d_client.errors import InputError
from i3d_fit.errors import GroupsError
from i3d_fit.groups import groups_of

RECORDINGS = ("m1/day1.mp4", "m1/day2.mp4", "m2/day1.mp4")


@pytest.fixture
def animals(tmp_path):
    def write(text: str):
        path = tmp_path / "animals.csv"
        path.write_text(text)
        return path

    return write


def test_recordings_are_grouped_by_animal_if_each_has_one(animals):
    table = animals("recording,animal\nm1,a\nm2,b\n")
    assert groups_of(RECORDINGS, metadata=table, by=None) == (("a", "a", "b"), "animal", ())
    assert groups_of(RECORDINGS, metadata=table, by="animal") == (("a", "a", "b"), "animal", ())


def test_by_video_each_recording_is_a_group_whatever_the_table_says(animals):
    table = animals("recording,animal\nm1,a\nm2,b\n")
    assert groups_of(RECORDINGS, metadata=table, by="video") == (RECORDINGS, "video", ())
    assert groups_of(RECORDINGS, metadata=None, by=None) == (RECORDINGS, "video", ())


def test_a_table_without_animals_leaves_them_grouped_by_video(animals):
    table = animals("recording,genotype\nm1,wt\nm2,ko\n")
    assert groups_of(RECORDINGS, metadata=table, by=None) == (RECORDINGS, "video", ())


def test_an_animal_is_never_divided_because_another_is_not_named(animals):
    table = animals("recording,animal\nm1,a\n")
    groups, by, why = groups_of(RECORDINGS, metadata=table, by=None)
    assert groups == ("a", "a", "m2/day1.mp4")
    assert not why
    assert by == "animal (1 of 3 videos by itself: animal unknown)"


def test_rows_that_are_for_none_are_said_where_some_are_missing(animals):
    table = animals("recording,animal\nm1,a\nm3,b\n")
    (said,) = groups_of(RECORDINGS, metadata=table, by=None)[2]
    assert "animals.csv" in said
    assert "m3" in said
    assert groups_of(RECORDINGS, metadata=table, by=None, others=["m3/x.mp4"])[2] == ()
    table = animals("recording,animal\nm4,a\n")
    groups, by, why = groups_of(RECORDINGS, metadata=table, by=None)
    assert (groups, by) == (RECORDINGS, "video (the animal of none is known)")
    assert len(why) == 1


def test_by_animal_every_animal_must_be_known(animals):
    with pytest.raises(GroupsError, match=r"got none of 'm2/day1\.mp4'"):
        groups_of(RECORDINGS, metadata=animals("recording,animal\nm1,a\n"), by="animal")
    with pytest.raises(GroupsError, match="expected a table that says the animal"):
        groups_of(RECORDINGS, metadata=None, by="animal")


def test_a_table_that_cannot_be_used_is_refused(animals):
    with pytest.raises(InputError, match="expected a column 'recording' or 'animal'"):
        groups_of(RECORDINGS, metadata=animals("mouse\na\n"), by="video")
