"""``i3d fit`` as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fit.fits import MODEL, Lab

from i3d_client.cli import i3d
from i3d_client.errors import InputError
from i3d_fit import fit_cli


def typed(lab: Lab, *more: str) -> list[str]:
    return [
        *("fit", "--videos", *map(str, lab.videos), "--annotations", str(lab.annotations)),
        *("--profile", str(lab.folder / "tiny.toml"), "--server", lab.server, "--model", MODEL),
        *("--no-export", *more),
    ]


def run(lab: Lab, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "i3d_client", *typed(lab, *more)],
        capture_output=True,
        text=True,
        check=False,
        cwd=lab.folder,
        env={**os.environ, "I3D_CACHE": str(lab.folder / "cache")},
    )


def test_one_command_says_how_good_it_is_and_what_to_do_next(lab: Lab) -> None:
    done = run(lab, "--out", "mine")
    assert done.returncode == 0, done.stderr
    document = json.loads((lab.folder / "mine" / "fit.json").read_text())
    accuracy = document["measures"]["balanced_accuracy"]
    assert f"balanced accuracy {accuracy:.1%}" in done.stdout
    assert "by chance it would be 33.3%" in done.stdout
    assert "3 videos, each left out in turn" in done.stdout
    for label in document["labels"]:
        assert f"\n{label} " in done.stdout
    assert document["learning_curve"]["advice"][0] in done.stdout
    assert done.stdout.splitlines()[-4:-1] == [
        "→ mine.toml",
        "→ mine/report.html",
        f"→ mine/suggestions.boris: {len(document['suggestions'])} stretches to annotate next, "
        "for BORIS",
    ]
    assert done.stdout.splitlines()[-1].startswith("next: the same command without --no-export")
    assert "Traceback" not in done.stderr


def test_options_reach_the_fit(lab: Lab) -> None:
    (lab.folder / "labels.txt").write_text("still\n\nmoving\n")
    done = run(
        lab,
        *("--out", "mine.toml", "--labels", "labels.txt", "--rename", "flicker=moving"),
        *("--served-stride", "4", "--group-by", "video"),
    )
    assert done.returncode == 0, done.stderr
    document = json.loads((lab.folder / "mine" / "fit.json").read_text())
    assert document["labels"] == ["still", "moving"]
    assert document["options"]["rename"] == {"flicker": "moving"}
    assert "\nstride = 4\n" in (lab.folder / "mine.toml").read_text()
    assert "taken as labels of another name: flicker as moving" in done.stdout


def test_what_cannot_be_used_is_one_message(lab: Lab) -> None:
    done = run(lab, "--out", "mine", "--rename", "walking=moving")
    assert done.returncode == 1
    assert done.stderr.startswith("error: walking=moving: expected a behaviour of the annotations")
    assert "Traceback" not in done.stderr


def test_a_rename_says_what_into_what(lab: Lab) -> None:
    done = CliRunner().invoke(i3d, typed(lab, "--out", "mine", "--rename", "flicker"))
    assert isinstance(done.exception, InputError)
    assert "expected ANNOTATED=LABEL" in str(done.exception)


def test_a_model_is_one_of_a_server(lab: Lab) -> None:
    arguments = [word for word in typed(lab, "--out", "mine") if word not in ("--server",)]
    arguments.remove(lab.server)
    done = CliRunner().invoke(i3d, arguments)
    assert done.exit_code == 2
    assert "name that with --server" in done.output


def test_every_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "own_behaviours.md").read_text()
    for parameter in fit_cli.fit.params:
        names = [name for name in parameter.opts if name.startswith("--")]
        assert any(f"{name}" in page for name in names), names


def test_a_behaviour_is_renamed_once() -> None:
    with pytest.raises(InputError, match=r"--rename a=c: a was to be 'b' already"):
        fit_cli._names(["a=b", "a=b", "a=c"])
