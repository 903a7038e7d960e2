"""What can go wrong in an export.

    I3dError
    └── ExportError
        ├── ProfileError        a profile is unknown or says something wrong
        ├── FetchError          the published weights cannot be had
        ├── CheckpointError     a checkpoint is not what it should be
        ├── VerificationError   a stage's result differs from the stage before it
        ├── GateError           a precision is too far from FP32
        └── PlanError           a TensorRT plan cannot be built

Values of a profile that break the contract's rules raise ``i3d_client.errors.ContractError``.
"""

from __future__ import annotations

from i3d_client.errors import I3dError


class ExportError(I3dError):
    """An export cannot go on."""


class ProfileError(ExportError):
    """A profile is unknown, cannot be read, or holds a wrong key."""


class FetchError(ExportError):
    """The published weights cannot be fetched, or are not the published ones."""


class CheckpointError(ExportError):
    """A checkpoint has the wrong kind, hash, variables or shapes."""


class VerificationError(ExportError):
    """A stage's result differs from the stage before it by more than is allowed."""


class PlanError(ExportError):
    """A TensorRT plan cannot be built: no GPU, no TensorRT, or a graph that it refuses."""


class GateError(ExportError):
    """A precision's answers are further from FP32's than is allowed."""
