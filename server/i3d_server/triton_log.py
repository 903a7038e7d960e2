"""What Triton's log says about a start that failed.

Triton logs one line an event, "E1231 23:59:59.123456 PID file.cc:LINE] "message"", and ends with
a sum-up that says nothing ("failed to load all models"). The reasons are in the error lines; the
message of a Python error runs over several lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ERROR_LINE = re.compile(r"^E\d{4} [\d:.]+ \d+ [\w.]+:\d+\] \"?(?P<message>.*)$")
_ANY_LINE = re.compile(r"^[IWEFV]\d{4} [\d:.]+ \d+ |^\+[-+]+\+$|^Signal \(|^error: ")
_FAILED_MODEL = re.compile(
    r"failed to load '(?P<model>[^']+)'(?: version \d+)?: (?P<reason>.*)", re.S
)
_STUB_FAILED = re.compile(r"^.*triton_python_backend_stub: .*$", re.M)
_PORT_TAKEN = re.compile(r"already in use|[Ff]ailed to bind|Address already in use")


def port_was_taken(log: str) -> bool:
    """Whether Triton gave up because another program listens on its port."""
    return any(_PORT_TAKEN.search(line) for line in log.splitlines() if line[:1] != "I")


def stub_failure(log: str) -> str | None:
    """What the shell or the linker said about a stub that did not start; Triton waits for ever."""
    found = _STUB_FAILED.search(log)
    return found[0] if found else None


def failed_models(log: str) -> dict[str, str]:
    """Return each model that could not be loaded, with the reason in one line."""
    found: dict[str, str] = {}
    for message in _error_messages(log):
        if match := _FAILED_MODEL.search(message):
            found.setdefault(match["model"], _first_words(match["reason"]))
    return found


def backend_messages(log: str, *, backend: str) -> list[str]:
    """Return what a Python-based backend said about its models: text after ``backend: ``."""
    pattern = re.compile(rf'^I\d{{4}} .*\] "{re.escape(backend)}: (.*)"$', re.M)
    return pattern.findall(log)


def last_words(log: str) -> str:
    """Return the last line that says something, for a failure that has no error line."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith(("|", "+"))]
    errors = [line for line in lines if line.startswith(("E", "error:"))]
    return (errors or lines or ["(the log is empty)"])[-1].strip()


def _error_messages(log: str) -> Iterator[str]:
    message: list[str] | None = None
    for line in log.splitlines():
        starts = _ERROR_LINE.match(line)
        if message is not None and (starts or _ANY_LINE.match(line)):
            yield "\n".join(message).rstrip('"')
            message = None
        if starts:
            message = [starts["message"]]
        elif message is not None:
            message.append(line)
    if message is not None:
        yield "\n".join(message).rstrip('"')


def _first_words(reason: str) -> str:
    """Leave out where in the code it was, which Python errors add after "At:"."""
    return " ".join(reason.partition("\n\nAt:")[0].split())
