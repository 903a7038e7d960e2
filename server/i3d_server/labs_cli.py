"""The commands ``i3d labs init``, ``add``, ``renew``, ``list`` and ``revoke``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i3d_client.errors import MissingExtraError

if TYPE_CHECKING:
    from i3d_server.labs import AddedLab
    from i3d_server.labs_register import Lab

_COLUMNS = ("name", "in flight", "certificate until", "state")
_DAYS = click.IntRange(1, 3650)


_folder = click.option(
    "--labs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("labs"),
    show_default=True,
    envvar="LABS_FOLDER",
    show_envvar=True,
    help="Folder with the authority, the gateway's files and one folder a lab.",
)
_server = click.option(
    "--server",
    help="HOST:PORT that the lab is told [default: the first --host of `init`, port 8443]",
)
_days = click.option(
    "--days", type=_DAYS, default=730, show_default=True, help="Of the certificate."
)


@click.group()
def labs() -> None:
    """Say who may use a lab server: one certificate a lab, and a cap on its requests."""


@labs.command()
@_folder
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address by which labs reach the server; give it once for each, the one to tell "
    "labs first [default: localhost and this host's name, or those of before]",
)
@_days
def init(labs: Path, hosts: tuple[str, ...], days: int) -> None:
    """Make the certificate authority and the gateway's certificate; once more changes nothing."""
    _require_cryptography()
    from i3d_server.labs import init_labs

    made = init_labs(labs=labs, hosts=hosts, days=days)
    click.echo(f"authority    {labs / 'authority'}: keep it secret, and back it up")
    click.echo(f"fingerprint  {made.fingerprint}")
    click.echo(f"gateway      {', '.join(made.hosts)}; certificate until {made.expires:%Y-%m-%d}")


@labs.command()
@click.argument("name")
@_folder
@click.option(
    "--in-flight",
    type=click.IntRange(1, 128),
    default=8,
    show_default=True,
    help="Requests that the lab may have at the server at a time.",
)
@_server
@_days
def add(name: str, labs: Path, in_flight: int, server: str | None, days: int) -> None:
    """Issue the certificate of lab NAME, in a folder to hand over."""
    _require_cryptography()
    from i3d_server.labs import add_lab

    added = add_lab(name=name, labs=labs, in_flight=in_flight, server=server, days=days)
    _say_what_to_hand_over(added)


@labs.command()
@click.argument("name")
@_folder
@_server
@_days
def renew(name: str, labs: Path, server: str | None, days: int) -> None:
    """Issue the next certificate of lab NAME; the one that it has stays valid until it expires."""
    _require_cryptography()
    from i3d_server.labs import renew_lab

    renewed = renew_lab(name=name, labs=labs, server=server, days=days)
    _say_what_to_hand_over(renewed)
    until = max(renewed.lab.earlier.values())
    click.echo(
        f"What the lab has now goes on until {until:%Y-%m-%d}. If its key may be in wrong hands, "
        f"revoke instead, which ends all of the lab's certificates: i3d labs revoke {name}"
    )


@labs.command("list")
@_folder
def list_(labs: Path) -> None:
    """List the labs."""
    _require_cryptography()
    from i3d_server.labs import list_labs

    found = list_labs(labs=labs)
    if not found:
        click.echo("no labs: i3d labs add NAME")
        return
    rows = [(lab.name, str(lab.in_flight), f"{lab.expires:%Y-%m-%d}", _state(lab)) for lab in found]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@labs.command()
@click.argument("name")
@_folder
def revoke(name: str, labs: Path) -> None:
    """Have the gateway refuse every certificate of lab NAME from now on."""
    _require_cryptography()
    from i3d_server.labs import revoke_lab

    lab = revoke_lab(name=name, labs=labs)
    click.echo(
        f"{name}: revoked {lab.revoked:%Y-%m-%d %H:%M} UTC. The gateway refuses new connections "
        f"with its certificate in a few seconds; `i3d labs add {name}` would issue another one"
    )


def _say_what_to_hand_over(added: AddedLab) -> None:
    click.echo(
        f"{added.folder}\n"
        f"Hand this folder over to the lab, on a way that nobody else can read: client.key in it "
        "is a secret. There, it is used so:\n"
        f"  i3d classify VIDEO… --credentials {added.lab.name} --out results\n"
        f"server {added.server}, at most {added.lab.in_flight} requests in flight, certificate "
        f"until {added.lab.expires:%Y-%m-%d}"
    )


def _state(lab: Lab) -> str:
    if lab.revoked is not None:
        return f"revoked {lab.revoked:%Y-%m-%d}"
    if lab.earlier_until is not None:
        return f"{lab.state}, an earlier one until {lab.earlier_until:%Y-%m-%d}"
    return lab.state


def _require_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise MissingExtraError("labs", needed_for="i3d labs")
