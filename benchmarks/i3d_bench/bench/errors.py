"""Errors of the bench.

I3dError
└── BenchError          what is asked cannot be measured at all
    └── PipelineError   one pipeline does not do what it is asked; the others are unaffected
"""

from __future__ import annotations

from i3d_client.errors import I3dError


class BenchError(I3dError):
    """What is asked cannot be measured; the message says what can."""


class PipelineError(BenchError):
    """A pipeline did not do what it was asked, or not rightly; the message says why."""
