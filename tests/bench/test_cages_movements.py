"""What the animals of synthetic cages do: rhythm, place, and what only movement tells."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from i3d_bench.cages import LABELS
from i3d_bench.cages.animal import random_animal
from i3d_bench.cages.behaviours import FPS
from i3d_bench.cages.body import Bodies, bodies_of
from i3d_bench.cages.bouts import Bout, Where
from i3d_bench.cages.cage import random_cage
from i3d_bench.cages.movements import act
from i3d_bench.cages.recording import Film
from i3d_bench.cages.stage import Stage
from i3d_bench.cages.takes import Take

CLIP_FRAMES = 16
ANIMALS, FRAMES = 6, 1120
BANDS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (6, 8))  # of the 8 frequencies above none
MOVEMENT_TELLS = ("groom", "sniff", "walk", "eat", "eathand")
PLACES: dict[str, Where] = {"drink": "spout", "eat": "hopper", "hang": "lid"}


def acted(label: str, number: int, *, where: Where | None = None) -> tuple[Bodies, Stage]:
    """Four seconds of a behaviour, of an animal in the middle of where it does it."""
    rng = np.random.default_rng(number)
    stage = Stage(cage=random_cage(rng), animal=random_animal(rng))
    where = where or PLACES.get(label, "floor")
    middle = {"spout": stage.spout, "hopper": np.mean(stage.hopper), "lid": np.mean(stage.lid)}
    bout = Bout(
        label=label,
        start=0,
        stop=4 * FPS,
        where=where,
        centre=float(middle.get(where, np.mean(stage.floor))),
        facing=1,
        speed=150.0 if label == "walk" else 0.0,
    )
    take = Take(bout=bout, stage=stage, t=np.arange(4 * FPS) / FPS, rng=rng)
    return bodies_of(act(take), stage), stage


def rhythm_hz(course: NDArray[np.float64]) -> float:
    """The strongest frequency above 2.5 Hz, which is what postures drift below."""
    spectrum = np.abs(np.fft.rfft((course - course.mean()) * np.hanning(len(course))))
    hz = np.fft.rfftfreq(len(course), 1 / FPS)
    return float(hz[hz > 2.5][np.argmax(spectrum[hz > 2.5])])


def size_px(course: NDArray[np.float64]) -> float:
    """The standard deviation of what is faster than a tenth of a second's neighbours."""
    smooth = np.convolve(course, np.full(9, 1 / 9), "valid")
    return float(np.std(course[4:-4] - smooth))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    ("label", "low", "high"),
    [("drink", 5.0, 7.3), ("eat", 3.3, 5.8), ("groom", 3.5, 6.4), ("eathand", 7.8, 11.6)],
)
def test_a_behaviour_has_its_rhythm(label: str, low: float, high: float, number: int) -> None:
    bodies, _ = acted(label, number)
    assert low <= rhythm_hz(bodies.head[:, -1, 1]) <= high


@pytest.mark.parametrize("number", range(5))
def test_paws_stroke_widely_in_grooming_and_little_when_they_hold_food(number: int) -> None:
    groom, eathand, rest = (
        size_px(np.hypot(*acted(label, number)[0].legs[:, 0, 2].T))
        for label in ("groom", "eathand", "rest")
    )
    assert groom > 8
    assert 0.8 < eathand < groom / 2
    assert rest < 0.3


@pytest.mark.parametrize("number", range(5))
def test_drinking_is_at_the_spout_and_eating_at_the_hopper(number: int) -> None:
    drinking, stage = acted("drink", number)
    nose = drinking.head[:, -1]
    assert np.hypot(*(nose - stage.cage.spout).T).max() < 18
    eating, stage = acted("eat", number)
    left, right, bottom = stage.cage.hopper
    nose = eating.head[:, -1]
    assert np.abs(nose[:, 1] - bottom).max() < 28
    assert left - 15 < nose[:, 0].min()
    assert nose[:, 0].max() < right + 15


@pytest.mark.parametrize("number", range(5))
def test_an_animal_rears_at_the_hopper_in_the_posture_of_eating_without_its_bites(
    number: int,
) -> None:
    rearing, stage = acted("rear", number, where="hopper")
    eating, _ = acted("eat", number)
    assert np.abs(rearing.head[:, -1, 1] - stage.cage.hopper[2]).max() < 32
    assert size_px(eating.head[:, -1, 1]) > 4 * size_px(rearing.head[:, -1, 1])


@pytest.mark.parametrize("number", range(5))
def test_walking_moves_the_body_and_sniffing_the_head(number: int) -> None:
    walking, sniffing = acted("walk", number)[0], acted("sniff", number)[0]
    travelled = [np.abs(np.diff(b.torso[:, 0, 0])).sum() for b in (walking, sniffing)]
    assert travelled[0] > 350
    assert travelled[1] < 60
    sweep = np.ptp(sniffing.head[:, -1, 1] - sniffing.torso[:, -1, 1])
    assert sweep > 18


@pytest.mark.parametrize("number", range(5))
def test_a_hanging_animal_is_off_the_floor_and_its_feet_are_at_the_lid(number: int) -> None:
    bodies, stage = acted("hang", number)
    assert np.abs(bodies.legs[:, :, 2, 1] - stage.cage.lid).max() < 30
    assert bodies.torso[..., 1].max() < stage.cage.floor - 150


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of one behaviour each, and what is seen in them."""

    codes: NDArray[np.int64]
    animals: NDArray[np.int64]
    frame: NDArray[np.float32]
    movement: NDArray[np.float32]


@pytest.fixture(scope="module")
def windows() -> Windows:
    codes, animals, frames, movements = [], [], [], []
    for animal in range(1, ANIMALS + 1):
        film = Film(number=animal, seed=5, schedule="balanced", num_frames=FRAMES)
        labels = film.recording.frame_labels
        pictures = np.stack([small(picture) for picture in film])
        empty = np.median(pictures[::10], axis=0)
        for start in range(0, FRAMES - CLIP_FRAMES + 1, CLIP_FRAMES // 2):
            if len(set(labels[start : start + CLIP_FRAMES])) > 1:
                continue
            clip = pictures[start : start + CLIP_FRAMES]
            codes.append(int(labels[start]))
            animals.append(animal)
            frames.append(seen_in_a_frame(clip[-1], empty))
            movements.append(seen_in_movement(clip, empty))
    return Windows(
        codes=np.array(codes),
        animals=np.array(animals),
        frame=np.stack(frames),
        movement=np.stack(movements),
    )


def small(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    return cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA).astype(np.float32)


def middle_of(picture: NDArray[np.float32], empty: NDArray[np.float32]) -> tuple[int, int]:
    """Where the animal is, x and y: where the picture differs from that of the empty cage."""
    differs = cv2.GaussianBlur(np.abs(picture - empty), (0, 0), 3)
    y, x = np.nonzero(differs > 0.35 * differs.max())
    return int(x.mean()), int(y.mean())


def around(clip: NDArray[np.float32], middle: tuple[int, int]) -> NDArray[np.float32]:
    """Return (frames, 64, 64) of (frames, 120, 160), 1 the mean level."""
    x, y = middle
    padded = np.pad(clip, ((0, 0), (32, 32), (32, 32)), mode="edge")
    return padded[:, y : y + 64, x : x + 64] / clip.mean()


def seen_in_a_frame(
    picture: NDArray[np.float32], empty: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The animal, in 24 × 24, and where it is."""
    middle = middle_of(picture, empty)
    part = cv2.resize(around(picture[None], middle)[0], (24, 24), interpolation=cv2.INTER_AREA)
    return np.concatenate([part.ravel(), np.array(middle) / 20])


def seen_in_movement(clip: NDArray[np.float32], empty: NDArray[np.float32]) -> NDArray[np.float32]:
    """How strongly the picture changes at which frequencies, and where around the animal."""
    middle = middle_of(clip.mean(axis=0), empty)
    spectrum = np.abs(np.fft.rfft(around(clip, middle), axis=0))[1:]
    bands = np.stack([spectrum[low:high].mean(axis=0) for low, high in BANDS])
    blocks = bands.reshape(len(BANDS), 4, 16, 4, 16).mean(axis=(2, 4))
    total = bands.mean(axis=(1, 2))
    moved = np.subtract(middle_of(clip[-1], empty), middle_of(clip[0], empty))
    return np.concatenate(
        [
            np.log(blocks.ravel()),
            np.log(total),
            np.log(total[1:] / total[:-1]),
            [np.log1p(np.hypot(*moved)), *(np.array(middle) / 20)],
        ]
    )


def recalls(windows: Windows, *, with_movement: bool) -> dict[str, float]:
    """Return each behaviour's recall, by animals that the classifier has not seen."""
    predicted = np.empty_like(windows.codes)
    for fold in range(3):
        held_out = windows.animals % 3 == fold
        posture = make_pipeline(StandardScaler(), PCA(20, random_state=0), StandardScaler())
        seen = posture.fit(windows.frame[~held_out]).transform(windows.frame)
        if with_movement:
            scale = StandardScaler().fit(windows.movement[~held_out])
            seen = np.hstack([scale.transform(windows.movement), seen])
        model = LogisticRegression(C=0.02, class_weight="balanced", max_iter=1000)
        model.fit(seen[~held_out], windows.codes[~held_out])
        predicted[held_out] = model.predict(seen[held_out])
    found = recall_score(windows.codes, predicted, labels=range(len(LABELS)), average=None)
    return dict(zip(LABELS, found, strict=True))


def test_a_frame_does_not_suffice_where_movement_does(windows: Windows) -> None:
    frame = recalls(windows, with_movement=False)
    moving = recalls(windows, with_movement=True)
    assert np.mean([*moving.values()]) > 0.8, moving
    lost = {label: moving[label] - frame[label] for label in MOVEMENT_TELLS}
    assert min(lost.values()) > 0.1, lost
    assert np.mean([*lost.values()]) > 0.25, lost
