"""What the README shows works, and its figures are those of the benchmark's file."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.client.conftest import NUMBER_MODELS
from tests.conftest import MakeVideo

from i3d_bench.pages import fill_figures
from i3d_client.cli import i3d

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text()


def test_the_python_example_runs(make_video: MakeVideo, server: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    video = make_video(40)
    assert 'server="localhost:8001"' in example
    code = example.replace("mouse.mp4", str(video)).replace(
        'server="localhost:8001"', f'server="{server}", model="back_to_back"'
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert lines == [["0", "16"], ["16", "32"], ["24", "40"]]
    assert NUMBER_MODELS["back_to_back"].stride == 16


def test_every_command_is_in_the_readme_and_has_help() -> None:
    context = i3d.make_context("i3d", [], resilient_parsing=True)
    for name in i3d.list_commands(context):
        command = i3d.get_command(context, name)
        assert command is not None
        assert command.help, name
        assert f"i3d {name}" in README, name


def test_the_figures_are_those_of_the_benchmarks() -> None:
    assert fill_figures(README, results=PROJECT / "benchmarks" / "results") == README
    overlap = json.loads((PROJECT / "benchmarks/results/overlap.json").read_text())
    assert overlap["equal_classify_over_longer_alone"] <= 1 / 0.85
