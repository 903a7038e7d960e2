"""The one console command, ``i3d``.

Sub-commands of the other packages come through the entry-point group ``i3d.commands``. Command
modules import nothing heavy at their top, so that ``i3d --help`` answers at once.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points, version
from typing import Any

import click

from i3d_client.errors import I3dError


class _Commands(click.Group):
    """A group that adds what other packages registered under ``i3d.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = {point.name for point in entry_points(group="i3d.commands")}
        return sorted({*super().list_commands(ctx), *found})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        if own is not None:
            return own
        for point in entry_points(group="i3d.commands", name=name):
            command = point.load()
            if not isinstance(command, click.Command):
                raise TypeError(f"entry point {point.value} is not a click command")
            return command
        return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("i3d-triton"), prog_name="i3d")
def i3d() -> None:
    """Label animal behaviour in video with I3D on an NVIDIA Triton server."""


def main(arguments: list[str] | None = None) -> None:
    """Run ``i3d``; an ``I3dError`` becomes one message and exit status 1."""
    try:
        i3d.main(args=arguments, prog_name="i3d", standalone_mode=True)
    except I3dError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def register(*commands: Any) -> None:
    """Add the client's own commands to the group."""
    for command in commands:
        i3d.add_command(command)
