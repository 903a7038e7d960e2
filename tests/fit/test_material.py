from dataclasses import replace

import numpy as np
import pytest
from tests.fit.materials import invented

from i3d_fit.errors import FitError
from i3d_fit.material import Material

MATERIAL = invented(groups=2, windows=6, bout=2)


def changed(name: str, place, value):
    array = getattr(MATERIAL, name).copy()
    array[place] = value
    return {name: array}


def test_a_part_keeps_the_names_and_its_windows():
    pure = MATERIAL.pure.copy()
    pure[0] = False
    material = replace(MATERIAL, pure=pure)
    part = material.select(material.codes == 0)
    assert part.num_windows == 4
    assert part.num_pure.tolist() == [3, 0, 0]
    assert part.labels == MATERIAL.labels
    assert part.recording_names == MATERIAL.recording_names
    assert np.array_equal(part.features, MATERIAL.features[MATERIAL.codes == 0])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            changed("features", (8, 3), np.nan),
            "in 1 of 12 windows, the first in 02.mp4 at frame 16",
        ),
        (changed("codes", 0, 3), "codes: expected 0 … 2, got 0 … 3"),
        (changed("codes", 0, -1), "codes: expected 0 … 2, got -1"),
        (changed("groups", 0, 2), "groups: expected 0 … 1"),
        (changed("groups", 0, 1), "one group for all windows of a recording"),
        (changed("starts", 1, 0), "order of recordings and of time"),
        (changed("recordings", 0, 1), "order of recordings and of time"),
        ({"features": MATERIAL.features[:, :512]}, "features: expected float32 of shape"),
        ({"features": MATERIAL.features.astype(np.float64)}, "got float64"),
        ({"pure": MATERIAL.pure[1:]}, "pure: expected bool"),
        ({"labels": ("rest", "rest", "eat")}, "at least 2 names that differ"),
        ({"labels": ("rest",)}, "annotate a second behaviour"),
        ({"clip_frames": 0}, "clip_frames: expected at least 1"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(wrong, said):
    with pytest.raises(FitError, match=said):
        replace(MATERIAL, **wrong)


def test_no_window_is_refused_with_what_may_be_wrong():
    with pytest.raises(FitError, match="do the annotations lie within the videos"):
        Material(
            features=np.zeros((0, 1024), np.float32),
            codes=np.zeros(0, np.int64),
            pure=np.zeros(0, np.bool_),
            recordings=np.zeros(0, np.int64),
            groups=np.zeros(0, np.int64),
            starts=np.zeros(0, np.int64),
            labels=("rest", "eat"),
            recording_names=(),
            group_names=(),
            clip_frames=16,
        )
