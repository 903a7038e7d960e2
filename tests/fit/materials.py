"""Invented material: features whose classes, animals and bouts are known."""

import numpy as np

from i3d_fit.material import Material

LABELS = ("rest", "groom", "eat")
STRIDE, CLIP_FRAMES = 8, 16


def invented(
    *,
    groups=4,
    windows=48,
    labels=LABELS,
    bout=6,
    apart=2.0,
    bout_noise=0.0,
    group_noise=0.0,
    codes=None,
    recordings_a_group=1,
    seed=0,
) -> Material:
    """Return windows of recordings of ``windows`` each, in bouts whose classes take turns.

    A feature is the class's centre (``apart`` times a direction of length 1), what is its bout's
    and its group's alone, and noise of the window's own.
    """
    rng = np.random.default_rng(seed)
    recordings = np.repeat(np.arange(groups * recordings_a_group), windows)
    of_groups = recordings // recordings_a_group
    place = np.tile(np.arange(windows), groups * recordings_a_group)
    bouts = recordings * windows + place // bout
    if codes is None:
        codes = (place // bout + recordings) % len(labels)
    codes = np.asarray(codes, np.int64)
    count = len(recordings)
    centres = rng.normal(size=(len(labels), 1024)) * apart / np.sqrt(1024)
    features = (
        centres[codes]
        + bout_noise * rng.normal(size=(bouts.max() + 1, 1024))[bouts]
        + group_noise * rng.normal(size=(groups, 1024))[of_groups]
        + 0.02 * rng.normal(size=(count, 1024))
    )
    return Material(
        features=features.astype(np.float32),
        codes=codes,
        pure=np.ones(count, np.bool_),
        recordings=recordings.astype(np.int64),
        groups=of_groups.astype(np.int64),
        starts=(place * STRIDE).astype(np.int64),
        labels=labels,
        recording_names=tuple(f"{n + 1:02d}.mp4" for n in range(groups * recordings_a_group)),
        group_names=tuple(f"mouse {n + 1}" for n in range(groups)),
        clip_frames=CLIP_FRAMES,
    )
