"""Colours: stable, told apart with any colour vision, seen on white and on the dark ground."""

from itertools import combinations

import numpy as np
import pytest
from tests.ethogram.synthetic import HOMECAGE9

from i3d_ethogram.colours import OTHER_COLOUR, PALETTE, UNSCORED_COLOUR, colours_of

# What is left of linear RGB without one kind of cone: Machado, Oliveira and Fernandes 2009, table
# 1, severity 1.0.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# OKLab (Ottosson 2020), from linear sRGB.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(colour: str) -> np.ndarray:
    value = np.array(list(bytes.fromhex(colour[1:]))) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(colour: str, vision: str) -> np.ndarray:
    seen = (VISION[vision] @ linear(colour)).clip(0, 1)
    return TO_OKLAB @ np.cbrt(TO_CONES @ seen)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""
    bright, dark = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, other))[::-1]
    return float((bright + 0.05) / (dark + 0.05))


@pytest.mark.parametrize("vision", VISION)
def test_the_ten_colours_and_the_grey_of_unscored_frames_differ_with_any_vision(
    vision: str,
) -> None:
    colours = [*colours_of([str(index) for index in range(10)]).values(), UNSCORED_COLOUR]
    nearest = min(
        (float(np.linalg.norm(oklab(a, vision) - oklab(b, vision))), a, b)
        for a, b in combinations(colours, 2)
    )
    assert nearest[0] > 0.1, nearest


@pytest.mark.parametrize("colour", [*PALETTE, UNSCORED_COLOUR, OTHER_COLOUR])
def test_every_colour_is_seen_on_white_and_on_the_dark_ground(colour: str) -> None:
    assert contrast(colour, "#ffffff") > 1.69
    assert contrast(colour, "#16181d") > 1.9


def test_up_to_ten_labels_have_colours_by_their_place() -> None:
    colours = colours_of(HOMECAGE9)
    assert list(colours) == list(HOMECAGE9)
    assert list(colours.values()) == list(PALETTE[:9])


def test_of_many_labels_each_has_the_colour_of_its_name_in_any_set() -> None:
    labels = [f"behaviour {index}" for index in range(400)]
    colours = colours_of(labels)
    assert colours["behaviour 7"] == "#781e87"  # fixed for good: pictures of last year match
    fewer = colours_of(labels[::-3])
    assert all(colours[label] == colour for label, colour in fewer.items())
    assert set(colours.values()) == set(PALETTE)


def test_labels_that_are_shown_together_have_colours_that_differ() -> None:
    labels = [f"behaviour {index}" for index in range(400)]
    shown = labels[40:64]
    alone, together = colours_of(labels), colours_of(labels, shown=shown)
    assert len({alone[label] for label in shown}) < 24
    assert {together[label] for label in shown} == set(PALETTE)
    assert all(together[label] == alone[label] for label in labels if label not in shown)
    assert colours_of(labels, shown=reversed(shown)) == together


def test_of_two_labels_that_would_share_a_colour_the_earlier_keeps_it() -> None:
    labels = [f"behaviour {index}" for index in range(400)]
    colours = colours_of(labels)
    first = labels[0]
    for later in [label for label in labels[1:] if colours[label] == colours[first]]:
        together = colours_of(labels, shown=[later, first])
        assert together[first] == colours[first] != together[later]


def test_more_labels_than_colours_still_get_one_each() -> None:
    labels = [f"behaviour {index}" for index in range(60)]
    assert set(colours_of(labels, shown=labels)) == set(labels)


def test_a_label_that_is_no_utf8_has_a_colour() -> None:
    colours = colours_of([*map(str, range(11)), "\udce4"])
    assert colours["\udce4"] in PALETTE
