import click
import pytest
from click.testing import CliRunner

from i3d_export.many_values import ManyValuesCommand


@click.command(cls=ManyValuesCommand)
@click.argument("profile")
@click.option("--precision", multiple=True, type=click.Choice(["fp32", "int8"]), default=["fp32"])
@click.option("--calibrate", multiple=True)
@click.option("--name")
@click.option("--force", is_flag=True)
def command(profile: str, precision: str, calibrate: str, name: str, force: bool) -> None:
    click.echo(f"{profile} {precision} {calibrate} {name} {force}")


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("p", "p ('fp32',) () None False"),
        ("p --precision fp32 int8 --name n", "p ('fp32', 'int8') () n False"),
        ("p --precision fp32 --precision int8", "p ('fp32', 'int8') () None False"),
        ("--precision int8 p", "p ('int8',) () None False"),
        ("--name n p --calibrate a b c --force", "p ('fp32',) ('a', 'b', 'c') n True"),
        ("--calibrate a b --precision=int8 -- p", "p ('int8',) ('a', 'b') None False"),
    ],
)
def test_an_option_takes_the_values_that_follow_it(line: str, result: str) -> None:
    assert CliRunner().invoke(command, line.split()).output == result + "\n"


def test_what_is_no_choice_is_refused() -> None:
    refused = CliRunner().invoke(command, ["p", "--precision", "int4"])
    assert refused.exit_code == 2
    assert "int4" in refused.output
    assert CliRunner().invoke(command, ["p", "--precision"]).exit_code == 2
