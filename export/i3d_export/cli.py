"""The command ``i3d export``."""

import click


@click.command()
def export() -> None:
    """Export a model into the Triton model repository."""
