"""Pages to test, and the browser that opens them."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, sync_playwright

from i3d_ethogram.ethogram import Ethogram


def chromium() -> str:
    """The browser; skips the test if there is none, unless that is an error."""
    found = shutil.which("chromium")
    if found is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("I3D_DEPLOY_REQUIRED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def of_video(
    ethogram: Ethogram, *paths: Path, frames: list[int] | None = None, **facts: Any
) -> Ethogram:
    """The ethogram, as if made from these files."""
    first = ethogram.run["videos"][0]
    videos = [
        {**first, "path": str(path), "bytes": path.stat().st_size, **facts}
        | ({} if frames is None else {"frames": frames[place]})
        for place, path in enumerate(paths)
    ]
    return replace(ethogram, run={**ethogram.run, "videos": videos})


@dataclass
class Opened:
    """An open page, what it asked for, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def wait_until(self, expression: str, *, seconds: float = 20) -> None:
        """Wait for the page; its policy refuses what Playwright's own waiting evaluates."""
        stop = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < stop, f"not within {seconds} s: {expression}"
            self.page.wait_for_timeout(50)

    def canvas(self, animal: int = 0) -> Any:
        return self.page.locator(f"#a{animal} canvas")

    def table(self, selector: str) -> list[list[str]]:
        """The text of a table's body, by row."""
        rows: list[list[str]] = self.page.locator(selector).first.evaluate(
            """table => [...table.tBodies[0].rows].map(
                row => [...row.cells].map(cell => cell.textContent.trim()))"""
        )
        return rows

    def pixel(self, x: float, y: float, *, animal: int = 0) -> str:
        """The colour at a place of a raster, in CSS pixels."""
        red, green, blue, _ = self.canvas(animal).evaluate(
            """(canvas, [x, y]) => {
                const scale = canvas.width / canvas.clientWidth;
                const copy = document.createElement("canvas");
                copy.width = copy.height = 1;
                const context = copy.getContext("2d", { willReadFrequently: true });
                context.drawImage(canvas, -Math.floor(x * scale), -Math.floor(y * scale));
                return [...context.getImageData(0, 0, 1, 1).data];
            }""",
            [x, y],
        )
        return f"#{red:02x}{green:02x}{blue:02x}"

    def screenshot(self, name: str, **options: Any) -> None:
        folder = os.environ.get("I3D_ARTEFACTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"report-{name}.png", **options)


@contextmanager
def opened(path: Path, **context: Any) -> Iterator[Opened]:
    """Open a page in the browser; nothing may be wrong with it when it is closed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        page = browser.new_page(**{**options, **context})
        open_page = Opened(page)
        page.on("request", lambda request: open_page.requests.append(unquote(request.url)))
        page.on("console", lambda message: open_page.complaints.append(message.text))
        page.on("pageerror", lambda error: open_page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: open_page.complaints.append(dialog.message))
        page.goto(path.as_uri())
        open_page.wait_until("document.querySelector('canvas[style]') !== null")
        yield open_page
        browser.close()
    assert open_page.complaints == []
