"""The folder of links that Triton is shown.

A model repository holds one folder a model, each for several engines, and some of them not built
yet on this machine. Triton would fail on the unfinished ones, so it is shown a folder that holds
links to the models that are complete for its engine, and nothing else. The configuration is the
one part that is copied: what was built (``1/build.json`` for OpenVINO, ``1/plan.json`` for
TensorRT) is added to the copy as parameter ``i3d_build``, so that a client can record it and the
configuration in git never changes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from i3d_client.contract import BUILD_PARAMETER, PARAMETER, ModelContract
from i3d_client.errors import ContractError
from i3d_server.errors import RepositoryError

Engine = Literal["openvino", "tensorrt"]


@dataclass(frozen=True, kw_only=True)
class EngineFiles:
    """What a model's folder holds when it is complete for an engine; paths are inside it."""

    config: Path
    build: Path
    artefacts: tuple[Path, ...]

    @property
    def required(self) -> tuple[Path, ...]:
        """Every file that must be there."""
        return (self.config, *self.artefacts, self.build)


ENGINES: dict[Engine, EngineFiles] = {
    "openvino": EngineFiles(
        config=Path("configs/cpu.pbtxt"),
        build=Path("1/build.json"),
        artefacts=(Path("1/model.xml"), Path("1/model.bin")),
    ),
    "tensorrt": EngineFiles(
        config=Path("config.pbtxt"), build=Path("1/plan.json"), artefacts=(Path("1/model.plan"),)
    ),
}


@dataclass(frozen=True, kw_only=True)
class SkippedModel:
    """A model that is not shown to Triton: why, and the command that changes it."""

    name: str
    reason: str
    command: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}; build it with: {self.command}"


@dataclass(frozen=True, kw_only=True)
class RepositoryView:
    """A folder that Triton can serve, and what it left out.

    Attributes:
        folder: the folder of links.
        models: names of the models in it, sorted.
        skipped: models of the repository that are not complete for the engine.
    """

    folder: Path
    models: tuple[str, ...]
    skipped: tuple[SkippedModel, ...]


def make_view(
    repository: Path, *, engine: Engine, folder: Path, models: Sequence[str] | None = None
) -> RepositoryView:
    """Fill the empty ``folder`` with links to the models that ``engine`` can load.

    Args:
        repository: the model repository.
        engine: what will execute the models.
        folder: made if it is not there.
        models: names to show; None means all that are complete.

    Raises:
        RepositoryError: no such repository, an unknown name in ``models``, a named model or every
            model incomplete, or a file that cannot be read as what it should be.
    """
    names = _model_names(repository)
    if models is not None:
        _require_known(models, names, repository=repository)
        names = sorted(set(models))
    skipped = [found for name in names if (found := _incomplete(repository / name, engine))]
    complete = sorted(set(names) - {model.name for model in skipped})
    if not complete or (models is not None and skipped):
        which = "no model is" if not complete else "not every named model is"
        listed = "".join(f"\n  {model}" for model in skipped)
        raise RepositoryError(f"{repository}: {which} complete for the engine {engine}:{listed}")
    for name in complete:
        _link_model(repository / name, folder / name, engine)
    return RepositoryView(folder=folder, models=tuple(complete), skipped=tuple(skipped))


def _model_names(repository: Path) -> list[str]:
    if not repository.is_dir():
        raise RepositoryError(
            f"{repository}: no such folder. Name the model repository with --repository, or make "
            "one: i3d export kinetics400"
        )
    configs = {files.config for files in ENGINES.values()}
    names = [
        entry.name
        for entry in repository.iterdir()
        if any((entry / config).is_file() for config in configs)
    ]
    if not names:
        raise RepositoryError(
            f"{repository}: holds no model (a folder with a config.pbtxt). Make one: "
            "i3d export kinetics400"
        )
    return sorted(names)


def _require_known(models: Sequence[str], names: list[str], *, repository: Path) -> None:
    if not models:
        raise RepositoryError("expected at least one model name, got none")
    if unknown := sorted(set(models) - set(names)):
        raise RepositoryError(
            f"{repository}: no model named {', '.join(unknown)}; there is {', '.join(names)}"
        )


def _incomplete(model: Path, engine: Engine) -> SkippedModel | None:
    missing = [str(path) for path in ENGINES[engine].required if not (model / path).is_file()]
    if not missing:
        return None
    reason = f"{', '.join(missing)} missing"
    exported = engine == "tensorrt" and (model / "1" / "model.onnx").is_file()
    command = "i3d plans" if exported else f"i3d export {_profile(model)}"
    return SkippedModel(name=model.name, reason=reason, command=command)


def _profile(model: Path) -> str:
    """The profile a model was exported from; its name's first part where no contract says it."""
    for files in ENGINES.values():
        if (model / files.config).is_file():
            config = read_config(model / files.config)
            try:
                return ModelContract.from_json(config.parameters[PARAMETER].string_value).profile
            except ContractError:
                continue
    return model.name.rpartition("_")[0] or model.name


def _link_model(model: Path, link: Path, engine: Engine) -> None:
    files = ENGINES[engine]
    link.mkdir(parents=True)
    (link / "1").symlink_to((model / "1").resolve(), target_is_directory=True)
    for entry in model.iterdir():
        if entry.is_file() and entry.name != "config.pbtxt":
            (link / entry.name).symlink_to(entry.resolve())
    config = read_config(model / files.config)
    build = _read_build(model / files.build)
    config.parameters[BUILD_PARAMETER].string_value = build
    (link / files.config).parent.mkdir(exist_ok=True)
    (link / files.config).write_text(text_format.MessageToString(config), encoding="utf-8")
    if files.config.name != "config.pbtxt" and (model / "config.pbtxt").is_file():
        shutil.copyfile(model / "config.pbtxt", link / "config.pbtxt")


def read_config(path: Path) -> model_config_pb2.ModelConfig:
    """Read a Triton model configuration.

    Raises:
        RepositoryError: it is not the text form of one.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text_format.Parse(text, model_config_pb2.ModelConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise RepositoryError(f"{path}: not a Triton model configuration: {error}") from error


def _read_build(path: Path) -> str:
    """Return ``path``'s JSON object as one line."""
    try:
        build = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{path}: not JSON: {error}") from error
    if not isinstance(build, dict):
        raise RepositoryError(f"{path}: expected a JSON object, got {type(build).__name__}")
    return json.dumps(build, ensure_ascii=False, separators=(",", ":"))
