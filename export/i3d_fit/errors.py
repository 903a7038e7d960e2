"""What can go wrong in a fit.

    I3dError
    └── FitError
        ├── AnnotationsError   what people annotated does not make classes
        └── GroupsError        recordings cannot be grouped as asked

Files of annotations or metadata that cannot be read raise ``i3d_client.errors.InputError``.
"""

from __future__ import annotations

from i3d_client.errors import I3dError


class FitError(I3dError):
    """A fit cannot go on."""


class AnnotationsError(FitError):
    """What people annotated, or how it is to be named, does not make classes."""


class GroupsError(FitError):
    """Recordings cannot be grouped as asked."""
