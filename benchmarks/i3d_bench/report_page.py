"""How long does report.html of a large experiment take to write, and to open?

    python -m i3d_bench.report_page --out benchmarks/results/report_page.json [--animals 24]

The example of the paper: 24 animals for 5 days. The bouts are SIMULATED: exponential lengths, of
behaviours drawn so that each has the share of time that it has in the authors' 13,135 video-hours.
Making them is not counted. The page is opened in headless Chromium, from a file, several times.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from i3d_bench.machine import machine_facts
from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.page.report_data import write_report
from i3d_ethogram.smoothing import NO_SMOOTHING
from i3d_export.profiles import load_profile

_FPS = 30
_SHARES = {
    "drink": 0.013,
    "eat": 0.117,
    "groom": 0.155,
    "hang": 0.022,
    "sniff": 0.189,
    "rear": 0.045,
    "rest": 0.388,
    "walk": 0.014,
    "eathand": 0.059,
}
_MEAN_BOUT_S = 6.0
_MEAN_REST_S = 60.0
_OPENED = 5


def measure(*, animals: int, hours: int, out: Path) -> dict[str, Any]:
    """Write the page into ``out``, open it, and return the figures."""
    facts = machine_facts()
    made_s, bouts = [0.0], [0]

    def ethograms() -> Iterator[Ethogram]:
        for number in range(animals):
            begun = time.perf_counter()
            ethogram = simulated_ethogram(hours=hours, number=number)
            bouts[0] += int(ethogram.scored.sum())
            made_s[0] += time.perf_counter() - begun
            yield ethogram

    begun = time.perf_counter()
    page = write_report(out, ethograms())
    write_s = time.perf_counter() - begun - made_s[0]
    return {
        "what": "report.html of a large experiment; the bouts are SIMULATED",
        "machine": facts,
        "animals": animals,
        "hours_each": hours,
        "bouts": bouts[0],
        "write_s": round(write_s, 2),
        "page_mb": round(page.stat().st_size / 1e6, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
        "opened": _open(page),
    }


def simulated_ethogram(*, hours: int, number: int) -> Ethogram:
    """Return an ethogram of ``hours``, the same for the same number."""
    contract = load_profile("homecage9").contract
    labels = contract.labels
    random = np.random.default_rng(number)
    mean_s = np.array([_MEAN_REST_S if label == "rest" else _MEAN_BOUT_S for label in labels])
    chances = np.array([_SHARES[label] for label in labels]) / mean_s
    drawn = random.choice(len(labels), size=hours * 1000, p=chances / chances.sum())
    codes = drawn[np.append(True, np.diff(drawn) != 0)]
    frames = np.ceil(random.exponential(mean_s[codes] * _FPS)).astype(np.int64)
    stops = np.cumsum(frames)
    count = int(np.searchsorted(stops, hours * 3600 * _FPS)) + 1
    first_frames = np.append(0, stops[:count])
    first_frames[-1] = hours * 3600 * _FPS
    return Ethogram(
        name=f"mouse{number + 1:02}.mp4",
        labels=labels,
        first_frames=first_frames,
        times_us=first_frames * 1_000_000 // _FPS,
        codes=codes[:count].astype(np.int16),
        statuses=np.full(count, Status.SCORED, np.uint8),
        scores=random.uniform(0.4, 1, count),
        fps=_FPS,
        recorded_at=datetime(2026, 3, 2, 8),
        smoothing=NO_SMOOTHING,
        run={
            "complete": True,
            "videos": [_VIDEO | {"frames": hours * 3600 * _FPS}],
            "model": {
                "name": "homecage9_int8",
                "version": "1",
                "engine": "simulated",
                "precision": "int8",
                "contract": json.loads(contract.to_json()),
                "build": None,
            },
        },
    )


_VIDEO = {
    "path": "/not/there.mp4",
    "bytes": 0,
    "sha256": "",
    "codec": "h264",
    "pixel_format": "yuv420p",
    "width": 640,
    "height": 480,
    "fps": 30.0,
}


def _open(page: Path) -> dict[str, Any] | None:
    """Return how long the page takes to open; None without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    loaded, drawn = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(_OPENED):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            begun = time.perf_counter()
            tab.goto(page.as_uri())
            loaded.append(time.perf_counter() - begun)
            # The script marks a raster that it has drawn by the height that it gives it.
            while tab.locator("canvas:not([style])").count():
                tab.wait_for_timeout(20)
            drawn.append(time.perf_counter() - begun)
            tab.close()
        version = browser.version
        browser.close()
    return {
        "chromium": version,
        "times": _OPENED,
        "loaded_s": round(statistics.median(loaded), 2),
        "slowest_loaded_s": round(max(loaded), 2),
        "every_raster_drawn_s": round(statistics.median(drawn), 2),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--animals", type=int, default=24)
    parser.add_argument("--hours", type=int, default=120)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(animals=arguments.animals, hours=arguments.hours, out=Path(folder))
    arguments.out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
