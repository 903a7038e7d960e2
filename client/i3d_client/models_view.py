"""What ``i3d models`` prints."""

from __future__ import annotations

import asyncio

from rich.console import Console

from i3d_client.access import Access
from i3d_client.errors import I3dError
from i3d_client.triton import Connection, Model

_SHOWN_LABELS = 5


def print_models(*, access: Access) -> int:
    """Print a table of the server's models and return the exit status."""
    described = asyncio.run(_describe_models(access))
    console = Console(highlight=False, soft_wrap=True)
    if not described:
        console.print(f"{access.server} serves no model", markup=False)
        return 1
    for name, model in described:
        for line in _description(name, model):
            console.print(line, markup=False)
    return 0


def _description(name: str, model: Model | I3dError) -> list[str]:
    if isinstance(model, I3dError):
        return [f"{name}  unusable", f"  {model}"]
    state = "ready" if model.ready else "not ready"
    lines = [f"{name}  {state}", f"  {model.engine}, {model.precision}, version {model.version}"]
    if model.contract is None:
        return [*lines, "  carries no contract: not exported by `i3d export`"]
    contract = model.contract
    shown = ", ".join(contract.labels[:_SHOWN_LABELS])
    more = ", …" if len(contract.labels) > _SHOWN_LABELS else ""
    return [
        *lines,
        f"  frames of {contract.height} × {contract.width}, {contract.colour}",
        f"  windows of {contract.clip_frames} frames every {contract.stride}, "
        f"{contract.windows_per_segment} a request; label of the {contract.label_frame} frame",
        f"  {len(contract.labels)} labels: {shown}{more}",
    ]


async def _describe_models(access: Access) -> list[tuple[str, Model | I3dError]]:
    described: list[tuple[str, Model | I3dError]] = []
    async with Connection(access) as connection:
        for name in await connection.model_names():
            try:
                described.append((name, await connection.model(name)))
            except I3dError as error:
                described.append((name, error))
    return described
