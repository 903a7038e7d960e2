"""What a model says about its own input and output.

The contract travels with the model: export writes it as JSON into the parameter ``i3d`` of the
model's Triton configuration, and the client reads it from the server. Nothing about geometry,
windows or labels is known to the client in any other way.

Reading is strict: a key, a rule or a version that this code does not know is refused, because a
guess here would give wrong labels without any other sign.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from i3d_client.errors import ContractError

CONTRACT_VERSION = 1
PARAMETER = "i3d"
BUILD_PARAMETER = "i3d_build"

INPUT_FRAMES = "FRAMES"
OUTPUT_PROBABILITIES = "PROBABILITIES"
OUTPUT_FEATURES = "FEATURES"
FEATURE_SIZE = 1024

Colour = Literal["rgb", "grey"]
LabelFrame = Literal["last", "centre"]
ResizeRule = Literal["stretch", "short_side_centre_crop"]


@dataclass(frozen=True, kw_only=True)
class Resize:
    """How a picture comes to the model's geometry; interpolation is bilinear.

    Attributes:
        rule: ``stretch`` scales to ``height × width`` exactly; ``short_side_centre_crop`` scales
            the short side to ``short_side`` pixels and cuts ``height × width`` from the centre.
        short_side: pixels, for ``short_side_centre_crop`` alone; None otherwise.

    """

    rule: ResizeRule
    short_side: int | None = None


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How bytes become the network's floats: ``x / divide_by + add``, inside the graph."""

    divide_by: float
    add: float


_GEOMETRY = ("height", "width", "colour", "clip_frames", "resize", "normalisation")


def geometry_of(contract: ModelContract) -> dict[str, Any]:
    """Return what decides what a network sees, as plain values.

    Neither labels nor how windows are sent are in it: two networks of one geometry and one
    checkpoint give the same features.
    """
    document = asdict(contract)
    return {field: document[field] for field in _GEOMETRY}


@dataclass(frozen=True, kw_only=True)
class ModelContract:
    """A model's input and output, as fixed at export.

    Attributes:
        profile: the named contract this follows, such as ``kinetics400``.
        height, width: of one frame, in pixels; multiples of 32.
        colour: ``rgb`` (3 channels in that order) or ``grey`` (1 channel, full-range luma).
        clip_frames: T, the frames of one window; at least 16.
        stride: frames from the start of one window to the start of the next, 1 … T.
        windows_per_segment: N, the windows that the server forms from one request.
        resize: how a picture comes to ``height × width``.
        normalisation: applied on the server.
        labels: class names in the order of the network's outputs; never sorted.
        label_frame: the frames a window's label is for: ``last`` or ``centre``.
        trained_fps: frames per second of the videos that the network was trained on.

    """

    profile: str
    height: int
    width: int
    colour: Colour
    clip_frames: int
    stride: int
    windows_per_segment: int
    resize: Resize
    normalisation: Normalisation
    labels: tuple[str, ...]
    label_frame: LabelFrame
    trained_fps: float

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def channels(self) -> int:
        """Channels of one frame: 3 for ``rgb``, 1 for ``grey``."""
        return 3 if self.colour == "rgb" else 1

    @property
    def segment_frames(self) -> int:
        """S, the frames of one request: ``T + (N − 1) · stride``."""
        return self.clip_frames + (self.windows_per_segment - 1) * self.stride

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of one frame: ``(height, width, channels)``."""
        return (self.height, self.width, self.channels)

    @property
    def segment_shape(self) -> tuple[int, int, int, int]:
        """Shape of one segment: ``(S, height, width, channels)``, uint8."""
        return (self.segment_frames, *self.frame_shape)

    def to_json(self) -> str:
        """Return the contract as one line of JSON, the same for equal contracts."""
        document = {"contract_version": CONTRACT_VERSION, **asdict(self)}
        if self.resize.short_side is None:
            del document["resize"]["short_side"]
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ModelContract:
        """Read what ``to_json`` wrote.

        Raises:
            ContractError: not JSON, an unknown version, key or rule, or a value out of range.

        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ContractError(f"the contract is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise ContractError(f"the contract must be a JSON object, got {text[:80]!r}")
        version = document.pop("contract_version", None)
        if version != CONTRACT_VERSION:
            raise ContractError(
                f"contract_version: expected {CONTRACT_VERSION}, got {version!r}. The model was "
                "exported by another release of i3d-triton: upgrade, or export it again"
            )
        return contract_from_mapping(document)


def contract_from_mapping(document: Mapping[str, Any]) -> ModelContract:
    """Build a contract from plain values (JSON or TOML), strictly.

    Raises:
        ContractError: names the field, its value and the rule.

    """
    values = _known_keys(ModelContract, document, where="")
    values["resize"] = Resize(**_known_keys(Resize, values["resize"], where="resize."))
    values["normalisation"] = Normalisation(
        **_known_keys(Normalisation, values["normalisation"], where="normalisation.")
    )
    if not isinstance(values["labels"], list | tuple):
        raise ContractError(f"labels: expected a list of names, got {values['labels']!r}")
    values["labels"] = tuple(values["labels"])
    return ModelContract(**values)


_OPTIONAL_KEYS = {"short_side"}


def _known_keys(kind: type, document: object, *, where: str) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise ContractError(f"{where.rstrip('.')}: expected a table, got {document!r}")
    names = {field.name for field in fields(kind)}
    for key in document:
        if key not in names:
            raise ContractError(f"{where}{key}: unknown field; known are {sorted(names)}")
    for name in sorted(names - _OPTIONAL_KEYS):
        if name not in document:
            raise ContractError(f"{where}{name}: missing")
    return dict(document)


def _require(condition: bool, field: str, value: object, rule: str) -> None:
    if not condition:
        raise ContractError(f"{field}: expected {rule}, got {value!r}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _validate(contract: ModelContract) -> None:
    c = contract
    _require(isinstance(c.profile, str) and bool(c.profile), "profile", c.profile, "a name")
    for name in ("height", "width"):
        value = getattr(c, name)
        rule = "a positive multiple of 32"
        _require(_is_integer(value) and value > 0 and value % 32 == 0, name, value, rule)
    _require(c.colour in get_args(Colour), "colour", c.colour, f"one of {get_args(Colour)}")
    _require(
        _is_integer(c.clip_frames) and c.clip_frames >= 16,
        "clip_frames",
        c.clip_frames,
        "an integer of at least 16",
    )
    _require(
        _is_integer(c.stride) and 1 <= c.stride <= c.clip_frames,
        "stride",
        c.stride,
        f"an integer from 1 to clip_frames ({c.clip_frames})",
    )
    _require(
        _is_integer(c.windows_per_segment) and c.windows_per_segment >= 1,
        "windows_per_segment",
        c.windows_per_segment,
        "an integer of at least 1",
    )
    _require(
        c.label_frame in get_args(LabelFrame),
        "label_frame",
        c.label_frame,
        f"one of {get_args(LabelFrame)}",
    )
    _require(
        _is_number(c.trained_fps) and 0 < c.trained_fps < float("inf"),
        "trained_fps",
        c.trained_fps,
        "frames per second above 0",
    )
    _validate_labels(c.labels)
    _validate_resize(c)
    divide_by, add = c.normalisation.divide_by, c.normalisation.add
    _require(
        _is_number(divide_by) and divide_by > 0,
        "normalisation.divide_by",
        divide_by,
        "a number above 0",
    )
    _require(_is_number(add), "normalisation.add", add, "a number")


def _validate_labels(labels: tuple[str, ...]) -> None:
    _require(2 <= len(labels) <= 1000, "labels", len(labels), "2 to 1000 names")
    for label in labels:
        named = isinstance(label, str) and bool(label.strip()) and label.isprintable()
        _require(named, "labels", label, "printable names that are not blank")
    doubles = sorted({label for label in labels if labels.count(label) > 1})
    _require(not doubles, "labels", doubles, "names that differ")


def _validate_resize(contract: ModelContract) -> None:
    resize = contract.resize
    rules = get_args(ResizeRule)
    _require(resize.rule in rules, "resize.rule", resize.rule, f"one of {rules}")
    if resize.rule == "stretch":
        _require(resize.short_side is None, "resize.short_side", resize.short_side, "nothing")
        return
    least = max(contract.height, contract.width)
    _require(
        _is_integer(resize.short_side) and (resize.short_side or 0) >= least,
        "resize.short_side",
        resize.short_side,
        f"an integer of at least {least}, the larger side of a frame",
    )
