"""What a reader must know before any figure of a bench.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from i3d_bench.bench.bench_results import BenchResults, Run
from i3d_bench.bench.pipeline_names import configuration_name, cores_text

SIMULATED = "SIMULATED accelerator: it sleeps and computes nothing"
_NAMED = 3


@dataclass(frozen=True)
class Note:
    """A sentence; ``serious`` if without it figures would be taken for what they are not."""

    text: str
    serious: bool = False


def not_complete(stopped_by: str) -> str:
    """Say that a bench was stopped, of its tables and figures."""
    return (
        f"NOT COMPLETE: the bench was stopped ({stopped_by}). What is here was timed before; the "
        "rest is missing, and there may be fewer repeats than asked for."
    )


def _shared(runs: Sequence[Run], *, of: int) -> Note:
    names = [
        f"{configuration_name(run.pipeline, run.precision)}, {cores_text(run.cores)}, {run.video}"
        for run in runs[:_NAMED]
    ]
    more = "; …" if len(runs) > _NAMED else ""
    return Note(
        f"Other clients used the server: during {len(runs)} of {of} runs it counted other segments "
        f"than the bench's ({'; '.join(names)}{more}). Their times are not those of a server of "
        "one's own, and how busy the device was for them is not to be told.",
        True,
    )


def notes_on(results: BenchResults) -> list[Note]:
    """Return the notes, the serious ones first."""
    document = results.document
    notes = []
    if results.simulated:
        notes.append(
            Note(f"{SIMULATED}. No time here is one of a network, and no cost is real.", True)
        )
    if results.stopped_by is not None:
        notes.append(Note(not_complete(results.stopped_by), True))
    if warning := document["machine"].get("busy_warning"):
        notes.append(Note(f"Measured on a busy machine: {warning}.", True))
    for one in document["not_timed"]:
        name = configuration_name(one["pipeline"], one["precision"])
        where = f"{cores_text(one['cores'])}, {one['video']}"
        notes.append(Note(f"Not timed: {name}, {where}: {one['reason']}.", True))
    if shared := [run for run in results.runs if run.other_segments]:
        notes.append(_shared(shared, of=len(results.runs)))
    notes += [Note(f"Left out: {reason}.") for reason in document["left_out"]]
    notes += [Note(f"Could not see: {what}.") for what in document["server"]["could_not_see"]]
    if document["server"]["embedded"]:
        notes.append(
            Note(
                "Client and server share this machine's cores, so the client's cores are not all "
                "that it takes, and loading and inference slow each other down."
            )
        )
    return notes
