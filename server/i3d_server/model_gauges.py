"""What a segment of each model holds, for Prometheus: Triton counts segments, people count frames.

Read from the contracts of a model repository. A model without one is left out: its segments are
counted by Triton all the same.
"""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from i3d_client.contract import PARAMETER, ModelContract
from i3d_client.errors import I3dError
from i3d_server.errors import RepositoryError
from i3d_server.repository_view import read_config


def set_model_gauges(registry: CollectorRegistry, repository: Path) -> None:
    """Set the gauges of every model in ``repository`` that has a contract.

    ``i3d_model_frames_per_segment`` counts the frames that a segment adds, stride × windows: those
    that it shares with the one before are not counted twice.

    Raises:
        RepositoryError: there is no such folder.
    """
    if not repository.is_dir():
        raise RepositoryError(f"{repository}: no such folder; expected a model repository")
    windows = Gauge(
        "i3d_model_windows_per_segment", "Windows of a segment.", ["model"], registry=registry
    )
    frames = Gauge(
        "i3d_model_frames_per_segment", "Frames that a segment adds.", ["model"], registry=registry
    )
    fps = Gauge(
        "i3d_model_trained_fps", "Frame rate that it was trained at.", ["model"], registry=registry
    )
    for config in sorted(repository.glob("*/config.pbtxt")):
        try:
            contract = _contract(config)
        except I3dError:
            continue
        name = config.parent.name
        windows.labels(name).set(contract.windows_per_segment)
        frames.labels(name).set(contract.windows_per_segment * contract.stride)
        fps.labels(name).set(contract.trained_fps)


def _contract(config: Path) -> ModelContract:
    return ModelContract.from_json(read_config(config).parameters[PARAMETER].string_value)
