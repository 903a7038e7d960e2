"""The table of releases says what NVIDIA's notes and docs/gpu.md say, and no more."""

import pytest

from i3d_server.releases import (
    DRIVER_NOTES,
    is_release,
    judge_compute_capability,
    judge_driver,
)


@pytest.mark.parametrize(
    ("release", "capability", "judgement"),
    [
        ("24.09", (7, 0), "ok"),
        ("24.10", (7, 0), "problem"),
        ("26.08", (7, 0), "problem"),
        ("26.08", (6, 1), "problem"),
        ("24.09", (6, 1), "problem"),
        ("24.09", (7, 5), "ok"),
        ("26.08", (8, 9), "ok"),
        ("24.12", (10, 0), "problem"),
        ("25.01", (12, 0), "ok"),
        ("26.08", (12, 1), "warning"),
        ("26.08", (13, 0), "warning"),
    ],
)
def test_compute_capability(release: str, capability: tuple[int, int], judgement: str) -> None:
    verdict = judge_compute_capability(release, capability)
    assert verdict.judgement == judgement
    assert bool(verdict.advice) == (judgement != "ok")


@pytest.mark.parametrize(
    ("release", "driver", "judgement", "words"),
    [
        ("24.10", "560.35.05", "ok", "fits"),
        ("24.09", "560.35.05", "ok", "fits"),
        ("24.09", "550.90.07", "warning", "not known for 24.09"),
        ("24.10", "550.90.07", "problem", "needs driver 560"),
        ("24.10", "545.23.08", "warning", "data-centre"),
        ("24.10", "545.22.01", "problem", "needs driver 560"),
        ("25.02", "570.86.10", "warning", "not known for 25.02"),
        ("25.02", "575.51.03", "ok", "fits"),
        ("25.08", "575.57.08", "problem", "needs driver 580"),
        ("26.06", "580.95.05", "ok", "fits"),
        ("26.06", "535.183.01", "problem", "needs driver 580"),
        ("26.08", "590.44.01", "warning", "not known for 26.08"),
        ("23.04", "590.44.01", "warning", "not known here"),
        ("26.06", "N/A", "warning", "not known here"),
    ],
)
def test_driver(release: str, driver: str, judgement: str, words: str) -> None:
    verdict = judge_driver(release, driver)
    assert (verdict.judgement, words in verdict.says) == (judgement, True), verdict
    if judgement == "warning":
        assert f"rel-{release.replace('.', '-')}.html" in verdict.advice


def test_an_older_release_is_named_where_one_fits() -> None:
    assert "TRITON_RELEASE=25.01" in judge_driver("25.08", "570.86.10").advice
    assert "TRITON_RELEASE" not in judge_driver("24.10", "500.10").advice


def test_the_table_is_in_order() -> None:
    assert [notes.release for notes in DRIVER_NOTES] == sorted(n.release for n in DRIVER_NOTES)
    assert [notes.driver for notes in DRIVER_NOTES] == sorted(n.driver for n in DRIVER_NOTES)
    assert all(is_release(notes.release) for notes in DRIVER_NOTES)


@pytest.mark.parametrize("text", ["26.8", "2608", "26.00", "latest", "26.08-py3"])
def test_what_is_no_release(text: str) -> None:
    assert not is_release(text)
