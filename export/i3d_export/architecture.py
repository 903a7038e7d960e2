"""I3D's units and variables, as published; plain data that needs no TensorFlow.

The network is Inception-v1 inflated to three dimensions (Carreira and Zisserman, *Quo Vadis,
Action Recognition? A New Model and the Kinetics Dataset*, CVPR 2017). Variables carry the names
of the published TF1 checkpoints without their scope (``RGB/inception_i3d/``), the irregular
``Mixed_5b/Branch_2/Conv3d_0a_3x3`` included.
"""

from __future__ import annotations

from dataclasses import dataclass

from i3d_client.contract import FEATURE_SIZE

INPUT_CHANNELS = 3
LOGITS = "Logits/Conv3d_0c_1x1"

Size = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A convolution without bias, batch normalisation without gamma, ReLU; SAME padding.

    Attributes:
        name: scope of its variables.
        kernel: (time, height, width), and the stride below alike.
        inputs, outputs: channels.
    """

    name: str
    kernel: int
    inputs: int
    outputs: int
    stride: int = 1


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A max pool, SAME padding; ``kernel`` and ``stride`` are (time, height, width)."""

    kernel: Size
    stride: Size


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """An Inception module: four branches, each a chain of units, concatenated over channels.

    The last branch starts with a 3 × 3 × 3 max pool of stride 1.
    """

    name: str
    branches: tuple[tuple[Unit, ...], ...]

    @property
    def outputs(self) -> int:
        """Channels after concatenation."""
        return sum(branch[-1].outputs for branch in self.branches)


Layer = Unit | Pool | Mixed


def _mixed(name: str, inputs: int, widths: tuple[int, int, int, int, int, int]) -> Mixed:
    last_of_branch_2 = "Conv3d_0a_3x3" if name == "Mixed_5b" else "Conv3d_0b_3x3"

    def unit(branch: int, scope: str, kernel: int, channels: int, outputs: int) -> Unit:
        path = f"{name}/Branch_{branch}/{scope}"
        return Unit(name=path, kernel=kernel, inputs=channels, outputs=outputs)

    b0, b1a, b1b, b2a, b2b, b3 = widths
    return Mixed(
        name=name,
        branches=(
            (unit(0, "Conv3d_0a_1x1", 1, inputs, b0),),
            (unit(1, "Conv3d_0a_1x1", 1, inputs, b1a), unit(1, "Conv3d_0b_3x3", 3, b1a, b1b)),
            (unit(2, "Conv3d_0a_1x1", 1, inputs, b2a), unit(2, last_of_branch_2, 3, b2a, b2b)),
            (unit(3, "Conv3d_0b_1x1", 1, inputs, b3),),
        ),
    )


LAYERS: tuple[Layer, ...] = (
    Unit(name="Conv3d_1a_7x7", kernel=7, inputs=INPUT_CHANNELS, outputs=64, stride=2),
    Pool(kernel=(1, 3, 3), stride=(1, 2, 2)),
    Unit(name="Conv3d_2b_1x1", kernel=1, inputs=64, outputs=64),
    Unit(name="Conv3d_2c_3x3", kernel=3, inputs=64, outputs=192),
    Pool(kernel=(1, 3, 3), stride=(1, 2, 2)),
    _mixed("Mixed_3b", 192, (64, 96, 128, 16, 32, 32)),
    _mixed("Mixed_3c", 256, (128, 128, 192, 32, 96, 64)),
    Pool(kernel=(3, 3, 3), stride=(2, 2, 2)),
    _mixed("Mixed_4b", 480, (192, 96, 208, 16, 48, 64)),
    _mixed("Mixed_4c", 512, (160, 112, 224, 24, 64, 64)),
    _mixed("Mixed_4d", 512, (128, 128, 256, 24, 64, 64)),
    _mixed("Mixed_4e", 512, (112, 144, 288, 32, 64, 64)),
    _mixed("Mixed_4f", 528, (256, 160, 320, 32, 128, 128)),
    Pool(kernel=(2, 2, 2), stride=(2, 2, 2)),
    _mixed("Mixed_5b", 832, (256, 160, 320, 32, 128, 128)),
    _mixed("Mixed_5c", 832, (384, 192, 384, 48, 128, 128)),
)


def units() -> list[Unit]:
    """Return every unit in the order of the network."""
    found: list[Unit] = []
    for layer in LAYERS:
        if isinstance(layer, Unit):
            found.append(layer)
        elif isinstance(layer, Mixed):
            found += [unit for branch in layer.branches for unit in branch]
    return found


def variable_shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """Return the canonical variables of a network with ``classes`` outputs, and their shapes.

    Kernels are (time, height, width, in, out); batch-norm variables (channels,).
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for unit in units():
        size = (unit.kernel,) * 3
        shapes[f"{unit.name}/conv_3d/w"] = (*size, unit.inputs, unit.outputs)
        for variable in ("beta", "moving_mean", "moving_variance"):
            shapes[f"{unit.name}/batch_norm/{variable}"] = (unit.outputs,)
    shapes[f"{LOGITS}/conv_3d/w"] = (1, 1, 1, FEATURE_SIZE, classes)
    shapes[f"{LOGITS}/conv_3d/b"] = (classes,)
    return shapes
