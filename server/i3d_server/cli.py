"""The command ``i3d serve``."""

import click


@click.command()
def serve() -> None:
    """Serve the model repository with the real Triton on this machine, without Docker."""
