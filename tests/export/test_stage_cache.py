from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from i3d_export import stage_cache
from i3d_export.errors import ExportError
from i3d_export.stage_cache import Stage, run


class Counted:
    """A stage that writes its parameter and counts how often it is computed."""

    def __init__(self) -> None:
        self.times = 0

    def stage(self) -> Stage:
        def compute(folder: Path) -> dict[str, int]:
            self.times += 1
            (folder / "out.txt").write_text("result")
            return {"figure": 7}

        return Stage(
            name="counted",
            inputs={"in": "abc"},
            parameters={"p": 1},
            tools=("numpy",),
            modules=("errors.py",),
            outputs=("out.txt",),
            compute=compute,
        )


def test_a_result_is_computed_once_and_keeps_its_figures(tmp_path: Path) -> None:
    counted = Counted()
    first = run(counted.stage(), cache=tmp_path)
    second = run(counted.stage(), cache=tmp_path)
    assert counted.times == 1
    assert (first.reused, second.reused) == (False, True)
    assert first.folder == second.folder
    assert second.figures == {"figure": 7}
    assert second.sha256 == first.sha256


def test_whatever_decides_the_result_makes_another_one(tmp_path: Path) -> None:
    counted = Counted()
    stage = counted.stage()
    others = [
        replace(stage, inputs={"in": "abd"}),
        replace(stage, parameters={"p": 2}),
        replace(stage, tools=("numpy", "click")),
        replace(stage, modules=("errors.py", "network.py")),
    ]
    folders = {run(one, cache=tmp_path).folder for one in (stage, *others)}
    assert len(folders) == counted.times == 5


@pytest.mark.parametrize("spoil", ["change", "remove", "record"])
def test_a_spoilt_result_is_computed_again(tmp_path: Path, spoil: str) -> None:
    counted = Counted()
    folder = run(counted.stage(), cache=tmp_path).folder
    if spoil == "change":
        (folder / "out.txt").write_text("resul7")
    elif spoil == "remove":
        (folder / "out.txt").unlink()
    else:
        (folder / "stage.json").write_text("{")
    again = run(counted.stage(), cache=tmp_path)
    assert (again.reused, counted.times) == (False, 2)
    assert (again.folder / "out.txt").read_text() == "result"


def test_a_stage_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def compute(folder: Path) -> dict[str, int]:
        (folder / "out.txt").write_text("half")
        raise ExportError("no")

    with pytest.raises(ExportError, match="no"):
        run(replace(Counted().stage(), compute=compute), cache=tmp_path)
    assert list((tmp_path / "stages" / "counted").iterdir()) == []


def test_who_comes_second_waits_for_the_first(tmp_path: Path) -> None:
    counted = Counted()
    second = Thread(target=lambda: run(counted.stage(), cache=tmp_path))

    def compute(folder: Path) -> dict[str, int]:
        second.start()
        second.join(0.2)
        assert second.is_alive()
        return dict(counted.stage().compute(folder))

    run(replace(counted.stage(), compute=compute), cache=tmp_path)
    second.join()
    assert counted.times == 1


def test_a_result_that_another_process_made_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_cache, "locked", nullcontext)  # a file system without locks
    inner = Counted()

    def compute(folder: Path) -> dict[str, int]:
        run(inner.stage(), cache=tmp_path)  # the same key: the other process is first
        (folder / "out.txt").write_text("later")
        return {"figure": 8}

    result = run(replace(inner.stage(), compute=compute), cache=tmp_path)
    assert result.figures == {"figure": 7}
    assert (result.folder / "out.txt").read_text() == "result"


def test_a_cache_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "stages").write_text("in the way")
    with pytest.raises(ExportError, match="I3D_CACHE"):
        run(Counted().stage(), cache=tmp_path)
