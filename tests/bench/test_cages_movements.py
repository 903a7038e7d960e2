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
    """Windows of one behaviour each; features of one frame, and of movement."""

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
        for start in range(0, FRAMES - CLIP_FRAMES + 1, CLIP_FRAMES):
            if len(set(labels[start : start + CLIP_FRAMES])) > 1:
                continue
            clip = np.stack([small(film.picture(start + i)) for i in range(CLIP_FRAMES)])
            codes.append(int(labels[start]))
            animals.append(animal)
            frames.append(seen_in_a_frame(clip[-1]))
            movements.append(seen_in_movement(clip))
    return Windows(
        codes=np.array(codes),
        animals=np.array(animals),
        frame=np.stack(frames),
        movement=np.stack(movements),
    )


def small(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """An eighth of the size in each direction of the network's picture and a little more."""
    return cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA).astype(np.float32)


def middle_of(picture: NDArray[np.float32]) -> tuple[int, int]:
    """Where the animal is: the middle of what is bright, below the lid and above the bedding."""
    blurred = cv2.GaussianBlur(picture[24:102, 6:-6], (0, 0), 4)
    y, x = np.unravel_index(np.argmax(blurred), blurred.shape)
    return int(x) + 6, int(y) + 24


def cut_out(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The animal, 64 × 64, wherever it is."""
    x, y = middle_of(picture)
    padded = cv2.copyMakeBorder(picture, 32, 32, 32, 32, cv2.BORDER_REPLICATE)
    return padded[y : y + 64, x : x + 64]


def seen_in_a_frame(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The animal in 32 × 32, whichever way it faces, where it is, and the whole picture."""
    part = cv2.resize(cut_out(picture), (32, 32), interpolation=cv2.INTER_AREA)
    part = (part - part.mean()) / part.std()
    whole = cv2.resize(picture, (20, 15), interpolation=cv2.INTER_AREA)
    whole = (whole - whole.mean()) / whole.std()
    return np.concatenate([part.ravel(), whole.ravel(), np.array(middle_of(picture)) / 20])


def seen_in_movement(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """How strongly, and where around the animal, the picture changes in bands of frequency."""
    x, y = middle_of(clip.mean(axis=0))
    padded = np.pad(clip, ((0, 0), (32, 32), (32, 32)), mode="edge")
    around = padded[:, y : y + 64, x : x + 64] / clip.mean()
    spectrum = np.abs(np.fft.rfft(around, axis=0))[1:]
    bands = np.stack([spectrum[low:high].mean(axis=0) for low, high in BANDS])
    blocks = bands.reshape(len(BANDS), 4, 16, 4, 16).mean(axis=(2, 4))
    return np.log(np.concatenate([blocks.ravel(), bands.mean(axis=(1, 2))]))


BANDS = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (6, 8))


def recalls(windows: Windows, features: NDArray[np.float32]) -> dict[str, float]:
    """Of each behaviour, by animals that the classifier has not seen."""
    predicted = np.empty_like(windows.codes)
    for held_out in (windows.animals % 3 == fold for fold in range(3)):
        model = make_pipeline(
            StandardScaler(),
            PCA(40, random_state=0),
            StandardScaler(),
            LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000),
        )
        model.fit(features[~held_out], windows.codes[~held_out])
        predicted[held_out] = model.predict(features[held_out])
    found = recall_score(windows.codes, predicted, labels=range(len(LABELS)), average=None)
    return dict(zip(LABELS, found, strict=True))


def test_a_frame_does_not_suffice_where_movement_does(windows: Windows) -> None:
    frame = recalls(windows, windows.frame)
    moving = recalls(windows, np.hstack([windows.frame, windows.movement]))
    print(frame, moving)  # noqa: T201
    assert np.mean([*moving.values()]) > 0.8
    for label in ("groom", "sniff", "walk", "eat", "eathand"):
        assert frame[label] < moving[label] - 0.1, label
