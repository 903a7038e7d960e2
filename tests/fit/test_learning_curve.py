import json

import numpy as np
import pytest
from tests.fit.materials import invented

from i3d_fit.cross_validation import cross_validate
from i3d_fit.learning_curve import CurvePoint, LearningCurve, learning_curve
from i3d_fit.measures import recalls


def curve_of(material):
    return learning_curve(material, cross_validate(material))


def test_shares_of_the_annotation_come_out_as_windows_and_the_last_is_the_whole():
    material = invented(groups=4, windows=64, apart=0.2, group_noise=0.01)
    calls = []
    validated = cross_validate(material)
    curve = learning_curve(material, validated, on_progress=lambda *done: calls.append(done))
    assert [point.share for point in curve.points] == [1 / 8, 1 / 4, 1 / 2, 1]
    assert [point.windows for point in curve.points] == [24, 48, 96, 192]
    expected = recalls(material.codes, validated.predicted, classes=3)
    assert np.array_equal(curve.points[-1].recall, expected)
    assert curve.points[0].balanced_accuracy < curve.points[-1].balanced_accuracy
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    document = json.loads(json.dumps(curve.document()))
    assert document["points"][0]["windows"] == 24
    assert document["windows"] == {"rest": 88, "groom": 86, "eat": 82}


def test_a_part_is_a_stretch_of_time_that_can_lack_a_behaviour():
    # Every recording has each behaviour once, for a third of its time: windows picked at random
    # would have all of them, and find them all.
    material = invented(groups=3, windows=96, bout=32)
    curve = curve_of(material)
    assert curve.points[-1].balanced_accuracy > 0.99
    assert curve.points[0].balanced_accuracy < 0.9


def test_the_same_seed_gives_the_same_curve():
    material = invented(groups=2, windows=32, apart=0.2)
    one, two = curve_of(material), curve_of(material)
    assert one.document() == two.document()


def curve(*points, windows=(500, 500, 500)):
    """Return a curve of the recalls at a half and at all."""
    return LearningCurve(
        labels=("rest", "groom", "eat"),
        points=tuple(
            CurvePoint(
                share=share,
                windows=round(1000 * share),
                balanced_accuracy=float(np.mean(recall)),
                recall=np.array(recall),
            )
            for share, recall in zip((0.5, 1.0), points, strict=True)
        ),
        windows=np.array(windows),
    )


def test_a_curve_that_still_rises_asks_for_more_of_the_class_that_rises():
    said = curve([0.9, 0.5, 0.8], [0.91, 0.62, 0.81]).advice()
    assert said[0].startswith("More annotation would help: balanced accuracy still rises, +4.7")
    assert said[1:] == [
        "Annotate more of groom: recall still rises (+12 points); 62% of it is found."
    ]


def test_a_level_curve_says_that_more_of_the_same_hardly_helps():
    said = curve([0.9, 0.6, 0.8], [0.91, 0.6, 0.8]).advice()
    assert len(said) == 1
    assert said[0].startswith(
        "More of the same would hardly help: balanced accuracy is level, +0.3"
    )


def test_a_class_of_few_windows_is_asked_for_the_worst_one_first():
    said = curve([0.9, 0.6, 0.3], [0.9, 0.6, 0.4], windows=(20, 400, 30)).advice()
    assert said[1:] == [
        "Annotate more of eat: few windows (30) and recall still rises (+10 points); 40% of it "
        "is found.",
        "Annotate more of rest: few windows (20); 90% of it is found.",
    ]


def test_separable_behaviours_are_level_and_a_rare_confused_one_is_named():
    easy = curve_of(invented(groups=4, windows=96, bout=5, apart=4.0))
    assert easy.advice()[0].startswith("More of the same would hardly help")
    assert len(easy.advice()) == 1
    place = np.tile(np.arange(120), 4)
    codes = np.where(place % 60 < 4, 2, place // 6 % 2)
    rare = curve_of(invented(groups=4, windows=120, codes=codes, apart=0.3))
    assert rare.windows[2] == 32
    assert any(line.startswith("Annotate more of eat: few windows (32)") for line in rare.advice())


@pytest.mark.parametrize("groups", [1, 2])
def test_few_videos_have_a_curve_too(groups):
    curve = curve_of(invented(groups=groups, windows=200, apart=0.5))
    assert np.isfinite([point.balanced_accuracy for point in curve.points]).all()
