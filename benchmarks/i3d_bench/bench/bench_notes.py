"""What a reader must know before any figure of a bench.json."""

from __future__ import annotations

from dataclasses import dataclass

from i3d_bench.bench.bench_results import BenchResults
from i3d_bench.bench.pipeline_names import configuration_name, cores_text

SIMULATED = "SIMULATED accelerator: it sleeps and computes nothing"


@dataclass(frozen=True)
class Note:
    """A sentence; ``serious`` if without it figures would be taken for what they are not."""

    text: str
    serious: bool = False


def notes_on(results: BenchResults) -> list[Note]:
    """Return the notes, the serious ones first."""
    document = results.document
    notes = []
    if results.simulated:
        notes.append(
            Note(f"{SIMULATED}. No time here is one of a network, and no cost is real.", True)
        )
    if warning := document["machine"].get("busy_warning"):
        notes.append(Note(f"Measured on a busy machine: {warning}.", True))
    for one in document["not_timed"]:
        name = configuration_name(one["pipeline"], one["precision"])
        where = f"{cores_text(one['cores'])}, {one['video']}"
        notes.append(Note(f"Not timed: {name}, {where}: {one['reason']}.", True))
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
