"""The page of a fit, and its pictures."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.fit.fits import Lab, annotated, write_annotations

from i3d_fit.learning_curve import CurvePoint, LearningCurve
from i3d_fit.measures import measure
from i3d_fit.report_pictures import confusion_png, learning_curve_png
from i3d_fit.report_sections import clock_text, doubt_texts, model_rows, verdict

VOID = {"meta", "link", "img", "br", "rect", "path", "text"}


class Page(HTMLParser):
    """Sees that all elements are closed, and keeps text and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID or tag == "text":
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(path: Path) -> tuple[Page, str]:
    html = path.read_text()
    return Page(html), html


@pytest.fixture(scope="module")
def fitted(shared_lab: Lab) -> tuple[dict, Path]:
    document, _ = shared_lab.fit("reported")
    return document, shared_lab.folder / "reported"


def test_the_page_shows_the_measures(fitted) -> None:
    document, folder = fitted
    page, html = page_of(folder / "report.html")
    text = " ".join(page.text)
    assert f"{document['measures']['balanced_accuracy']:.1%}" in text
    assert "by chance 33.3%" in text
    for one in document["measures"]["classes"]:
        assert one["label"] in text
        assert f"{one['recall']:.1%}" in text
    for line in document["learning_curve"]["advice"]:
        assert line in text
    assert document["head_sha256"] in text
    assert "None was exported." in text
    assert html.count('<th scope="row">mouse4.mp4</th>') == len(document["suggestions"])


def test_the_page_needs_nothing_else(fitted) -> None:
    _, folder = fitted
    page, html = page_of(folder / "report.html")
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert "default-src 'none'" in html
    assert "<script" not in html
    assert "style=" not in html
    assert not re.search(r"https?://", html)


def test_the_pictures_lie_beside_it(fitted) -> None:
    _, folder = fitted
    for name in ("confusion.png", "learning_curve.png"):
        with Image.open(folder / name) as picture:
            assert picture.size[0] > 300


def test_names_are_text_whatever_they_are(lab: Lab) -> None:
    rows = [
        row.replace("moving", "<b>&moving</b>")
        for seed in (1, 2, 3)
        for row in annotated(f"mouse{seed}.mp4", seed=seed)
    ]
    write_annotations(lab.annotations, rows)
    lab.fit()
    page, html = page_of(lab.folder / "mine" / "report.html")
    assert "<b>&moving</b>" in page.text
    assert "<b>" not in html


def test_what_is_doubted_comes_first(lab: Lab) -> None:
    rows = [row for seed in (1, 2, 3) for row in annotated(f"mouse{seed}.mp4", seed=seed)]
    rows += annotated("mouse2.mp4", seed=2, shift_s=500)
    write_annotations(lab.annotations, rows)
    lab.fit()
    page, _ = page_of(lab.folder / "mine" / "report.html")
    text = " ".join(page.text)
    assert text.index("Read this first") < text.index("mouse2.mp4: annotations.csv")
    assert text.index("mouse2.mp4: annotations.csv") < text.index("How good it is")


def test_a_refusal_of_the_gate_comes_before_all_doubts() -> None:
    document = {
        "refused": "mine_int8 is refused",
        "doubts": [{"recording": "a", "kind": "shift", "said": "it lies elsewhere"}],
        "cross_validation": {"doubts": ["rest is in one video alone"]},
    }
    assert [one["text"] for one in doubt_texts(document)] == [
        "mine_int8 is refused",
        "a: it lies elsewhere",
        "rest is in one video alone",
    ]


def test_each_precision_has_a_row_beside_fp32() -> None:
    judged = {
        "model": "mine_int8",
        "engine": "openvino",
        "verdict": "failed",
        "said": "5 points lost",
        "figures": {
            "windows": 128,
            "agreement": 0.9,
            "accuracy": {
                "reference": 0.9,
                "candidate": 0.85,
                "worst_class": {"label": "eat", "reference": 0.8, "candidate": 0.6},
            },
        },
    }
    document = {"models": [{"name": "mine_fp32"}], "judged": [judged]}
    fp32, int8 = model_rows(document)
    assert (fp32["name"], fp32["gate"]) == ("mine_fp32", "placed")
    assert int8["accuracy"] == "90.0% → 85.0%"
    assert int8["worst"] == "eat 80.0% → 60.0%"
    assert int8["gate"] == "failed, NOT placed"
    assert int8["said"] == "5 points lost"


def test_the_scale_has_interval_and_chance_in_their_places() -> None:
    codes = np.tile([0, 1], 50)
    right = np.where(np.arange(100) % 10 == 0, 1 - codes, codes)
    groups = np.repeat(np.arange(5), 20)
    measures = measure(codes, right, groups=groups, labels=("a", "b"))
    shown = verdict(measures)
    assert shown["chance_at"] == "50.00"
    assert float(shown["low"]) <= float(shown["at"]) <= float(shown["low"]) + float(shown["width"])


@pytest.mark.parametrize("count", [2, 9, 40])
def test_pictures_of_few_and_of_many_behaviours(count: int) -> None:
    labels = tuple(f"behaviour with a very long name, number {n}" for n in range(count))
    codes = np.repeat(np.arange(count), 20)
    rng = np.random.default_rng(0)
    predicted = np.where(rng.random(len(codes)) < 0.7, codes, rng.integers(0, count, len(codes)))
    measures = measure(codes, predicted, groups=np.arange(len(codes)) % 7, labels=labels)
    points = tuple(
        CurvePoint(
            share=share,
            windows=round(share * 400),
            balanced_accuracy=0.5 + share / 3,
            recall=np.linspace(0.1, 0.9, count) * share,
        )
        for share in (0.125, 0.25, 0.5, 1)
    )
    curve = LearningCurve(labels=labels, points=points, windows=np.full(count, 20))
    for png in (confusion_png(measures), learning_curve_png(curve)):
        with Image.open(io.BytesIO(png)) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert pixels.min() < 80
        assert pixels.max() == 255


def test_times_are_written_as_players_show_them() -> None:
    assert [clock_text(at) for at in (0, 59.96, 3725.5)] == ["0:00:00.0", "0:01:00.0", "1:02:05.5"]
