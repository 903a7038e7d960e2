"""Every error that this project raises on purpose.

    I3dError
    ├── ContractError         a model's contract is missing, unknown or inconsistent
    ├── CredentialsError      a lab's credentials, or the file that names them, cannot be used
    ├── InputError            what was named, or an option, cannot be used
    ├── MissingExtraError     an optional part of the installation is needed
    ├── OutputError           results cannot be written
    │   └── OtherRunError         the output folder holds, or is used by, a run that is not this one
    ├── ResultError           results cannot be used for what is asked of them
    ├── VideoError            one video cannot be read; other videos are unaffected
    ├── WorkerError           worker processes cannot be started
    └── ServerError           the server or a request to it
        ├── ServerUnavailableError   may succeed later: not there, overloaded, shutting down
        ├── AccessDeniedError        server and client do not take each other, or not this call
        ├── ModelNotFoundError       the server has no such model
        ├── ModelNotReadyError       the model is known and cannot answer now
        ├── ModelChangedError        the model is no longer the one that the run began with
        ├── RegionUnknownError       shared memory that the server does not know (any more)
        └── RequestRejectedError     the server refuses the request; trying again will not help

A message says what was expected, what was found, where, and what to do.
"""

from __future__ import annotations


class I3dError(Exception):
    """Base of all errors that end in a message and an exit status, never in a traceback."""


class ContractError(I3dError):
    """A contract is missing, of an unknown version, or says something inconsistent."""


class CredentialsError(I3dError):
    """A lab's credentials cannot be used as they are, or the file that names them cannot."""


class InputError(I3dError):
    """What the user named cannot be used: recordings, an option, a table, an annotation."""


class MissingExtraError(I3dError):
    """An optional part of the installation is needed and absent."""

    def __init__(self, extra: str, *, needed_for: str) -> None:
        super().__init__(f"{needed_for} needs an extra: pip install 'i3d-triton[{extra}]'")
        self.extra = extra


class OutputError(I3dError):
    """Results cannot be written where they were asked for."""


class OtherRunError(OutputError):
    """The output folder holds results of another run, or another run is writing to it."""


class ResultError(I3dError):
    """Results in a folder are not there, not whole, or of another version."""


class VideoError(I3dError):
    """One video cannot be read as it should be."""


class WorkerError(I3dError):
    """Worker processes cannot be started."""


class ServerError(I3dError):
    """The server, or a request to it, failed."""


class ServerUnavailableError(ServerError):
    """The server is not there or cannot take the request now; it may later."""


class AccessDeniedError(ServerError):
    """Server and client do not take each other's certificate, or the server not this call."""


class ModelNotFoundError(ServerError):
    """The server has no model of that name."""


class ModelNotReadyError(ServerError):
    """The server knows the model, but it cannot answer."""


class ModelChangedError(ServerError):
    """The server's model is not the one that the run began with."""


class RegionUnknownError(ServerError):
    """The server does not know a region of shared memory, or no longer."""


class RequestRejectedError(ServerError):
    """The server refuses the request as it is; trying again will not help."""
