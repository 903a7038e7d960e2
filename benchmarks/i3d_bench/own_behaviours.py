"""Behaviours of one's own, from annotated videos to a served model, measured as a user does it.

    python -m i3d_bench.own_behaviours --work FOLDER --out benchmarks/results/own_behaviours.json
        [--video dlc_openfield_m3v1mp4.mp4]

Every part runs the commands ``i3d fit`` and ``i3d classify`` and reads what they leave. The first
seven are on synthetic home cages (``i3d_bench.cages``), 60,000 frames with a balanced schedule:

fit
    ``i3d fit`` on 30 minutes of nine animals, with models of each precision.
served
    Those models on three animals that they have not seen, against the generator's truth.
single_frames
    The same fit with every window frozen to one picture: what single frames are good for.
timed
    How long ``i3d fit`` takes to an INT8 model of the same 30 minutes, with an empty cache.
again
    A second fit of the same videos with other labels, without the export.
wrong
    Annotations that are wrong in a known way, and what is said about them.
natural
    Seconds of each behaviour in a recording with natural shares, of one more animal.
real
    A real video whose mouse moves or stands still (``i3d_bench.moving``): fitted on its first
    60 %, tested on the rest; once as usual, once on a window from every frame at FP32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from i3d_bench.machine import machine_facts
from i3d_bench.own_material import (
    Split,
    first_part,
    frames_of,
    frozen_cages,
    mistimed,
    rest_of,
    shifted,
    swapped,
    write_natural,
    write_split,
)
from i3d_client.durable import complete_file
from i3d_ethogram.compare.agreement import measures_of
from i3d_ethogram.compare.comparing import compare_results
from i3d_ethogram.compare.comparison import MODEL, CompareOptions, Comparison

STRIDE = 8
PRECISIONS = ("fp32", "fp16", "int8")
FITTED_ON_SHARE = 0.6
# Stride and precision of the features, and the models' stride: as usual, and the most there is.
REAL_FITS = ((STRIDE, "int8", STRIDE), (1, "fp32", 1))
REAL_PRECISIONS = ("fp32", "int8")


class Work:
    """A folder, and the commands that run in it.

    Args:
        folder: for all files; what is in it already is not made again.
        say: told what goes on.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.repository = folder / "model_repository"
        self.say = say

    def run(self, *arguments: str | Path, cache: Path | None = None) -> tuple[float, str]:
        """Run ``i3d`` and return how long it took, in seconds, and all that it said.

        Args:
            arguments: of the command.
            cache: of features and stages; None is the user's.

        Raises:
            RuntimeError: it failed.
        """
        command = [sys.executable, "-m", "i3d_client", *map(str, arguments)]
        self.say(" ".join(map(str, arguments))[:200])
        began = time.perf_counter()
        environment = os.environ if cache is None else {**os.environ, "I3D_CACHE": str(cache)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{command}: exit status {done.returncode}: {done.stderr[-2000:]}")
        return time.perf_counter() - began, done.stdout + done.stderr

    def fit(
        self,
        name: str,
        videos: Sequence[Path],
        annotations: Path,
        *more: str | Path,
        cache: Path | None = None,
    ) -> dict[str, Any]:
        """Run ``i3d fit`` and return what it wrote, with the time that it took.

        Returns:
            The content of fit.json, ``seconds``, and all that the command ``said``.
        """
        given: tuple[str | Path, ...] = ("--videos", *videos, "--annotations", annotations)
        where = ("--out", name, "--repository", self.repository)
        seconds, said = self.run("fit", *given, *where, *more, cache=cache)
        document = json.loads((self.folder / name / "fit.json").read_text())
        return {"document": document, "seconds": seconds, "said": said}

    def served(self, model: str, videos: Sequence[Path], truth: Path) -> dict[str, Any]:
        """Classify videos with a model of the repository, and compare with what is true."""
        out = self.folder / "results" / f"{model}-{truth.stem}"
        source = ("--embedded", "--repository", self.repository, "--model", model)
        self.run("classify", *videos, *source, "--out", out, "--no-report")
        return accuracy_of(out, truth)


def accuracy_of(results: Path, truth: Path) -> dict[str, Any]:
    """Return how results agree with an annotation, frame by frame, over all recordings."""
    compared = [
        one
        for one in compare_results(results, [truth], options=CompareOptions())
        if isinstance(one, Comparison) and one.other == MODEL
    ]
    together = reduce(add, (one.agreement for one in compared))
    measures = measures_of(together)
    return {
        "frames_compared": together.account.compared,
        "balanced_accuracy": measures.balanced_accuracy,
        "accuracy": measures.accuracy,
        "kappa": measures.kappa,
        "recall": dict(zip(together.labels, measures.recall.tolist(), strict=True)),
        "by_recording": {
            one.recording: measures_of(one.agreement).balanced_accuracy for one in compared
        },
        "confusion": together.confusion.tolist(),
        "true_us": together.annotated_us.tolist(),
        "found_us": together.predicted_us.tolist(),
        "labels": list(together.labels),
    }


def fit_cages(work: Work) -> dict[str, Any]:
    """Fit on the cages, and export every precision; see the module."""
    split = write_split(work.folder / "cages_videos")
    exported = ("--precision", *PRECISIONS, "--served-stride", str(STRIDE))
    fitted = work.fit("cages", split.fitted, split.annotations, *_by_animal(split), *exported)
    return {
        "cages_version": split.cages_version,
        "animals": len(split.fitted),
        "frames": split.frames_fitted,
        "stride": STRIDE,
        **summary_of(fitted),
    }


def served_cages(work: Work) -> dict[str, Any]:
    """Ask the served model of each precision about animals that it has not seen."""
    split = write_split(work.folder / "cages_videos")
    return {
        "cages_version": split.cages_version,
        "animals_fitted": len(split.fitted),
        "frames_fitted": split.frames_fitted,
        "animals": len(split.tested),
        "frames": split.frames_tested,
        "stride": STRIDE,
        "at": {
            precision: work.served(f"cages_{precision}", split.tested, split.truth)
            for precision in PRECISIONS
        },
    }


def single_frames(work: Work) -> dict[str, Any]:
    """Fit on windows that are frozen to one picture."""
    split = write_split(work.folder / "cages_videos")
    videos, annotations_of_them = frozen_cages(split, work.folder / "frozen_videos")
    options = (*_by_animal(split), "--stride", "16", "--no-export")
    return summary_of(work.fit("frozen", videos, annotations_of_them, *options))


def timed(work: Work) -> dict[str, Any]:
    """Time a fit from nothing to an INT8 model."""
    split = write_split(work.folder / "cages_videos")
    options = (*_by_animal(split), "--precision", "int8", "--served-stride", str(STRIDE))
    with TemporaryDirectory(dir=work.folder) as cache:
        fitted = work.fit("timed", split.fitted, split.annotations, *options, cache=Path(cache))
    return {"frames": split.frames_fitted, **summary_of(fitted)}


def again(work: Work) -> dict[str, Any]:
    """Fit a second time, with other labels."""
    split = write_split(work.folder / "cages_videos")
    options = (*_by_animal(split), "--rename", "eathand=eat", "--no-export")
    return summary_of(work.fit("again", split.fitted, split.annotations, *options))


def wrong(work: Work) -> dict[str, Any]:
    """Give annotations that are wrong in one way each, and keep what is said."""
    split = write_split(work.folder / "cages_videos")
    made = {
        "as they are": split.annotations,
        "one video 20 s late": shifted(split, seconds=20.0),
        "times of one video counted at 25 frames/s": mistimed(split, factor=30 / 25),
        "two videos swapped": swapped(split),
    }
    found = {}
    for name, file in made.items():
        options = (*_by_animal(split), "--no-export")
        fitted = work.fit("wrong", split.fitted, file, *options)
        found[name] = {
            "doubts": fitted["document"]["doubts"],
            "balanced_accuracy": fitted["document"]["measures"]["balanced_accuracy"],
        }
    return found


def natural(work: Work) -> dict[str, Any]:
    """Measure how long each behaviour is found to last where shares are natural."""
    split = write_split(work.folder / "cages_videos")
    video, truth = write_natural(work.folder / "natural_video", after=split)
    found = work.served("cages_int8", [video], truth)
    per_label = zip(found["labels"], found["true_us"], found["found_us"], strict=True)
    return {
        "frames": frames_of(video),
        "stride": STRIDE,
        "balanced_accuracy": found["balanced_accuracy"],
        "kappa": found["kappa"],
        "seconds_of_label": {
            label: {"true_s": true / 1e6, "found_s": said / 1e6} for label, true, said in per_label
        },
    }


def real(work: Work, video: Path) -> dict[str, Any]:
    """Measure on a real video, with windows far apart and close together; see the module."""
    folder = work.folder / "real_annotations"
    fitted_on = first_part(video, folder, share=FITTED_ON_SHARE)
    rest = rest_of(video, folder, share=FITTED_ON_SHARE)
    fits = []
    for stride, precision, served_stride in REAL_FITS:
        name = f"real{stride}"
        of_features = ("--stride", str(stride), "--features-precision", precision)
        of_models = ("--served-stride", str(served_stride), "--precision", *REAL_PRECISIONS)
        fitted = work.fit(name, [video], fitted_on, *of_features, *of_models, "--force")
        served = {one: work.served(f"{name}_{one}", [video], rest) for one in REAL_PRECISIONS}
        fits.append(
            {
                "stride": stride,
                "features_precision": precision,
                "served_stride": served_stride,
                "fit": summary_of(fitted),
                "served": served,
            }
        )
    return {"video": video.name, "fitted_on_share": FITTED_ON_SHARE, "fits": fits}


def _by_animal(split: Split) -> tuple[str | Path, ...]:
    return ("--metadata", split.animals, "--group-by", "animal")


def summary_of(fitted: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a fit."""
    document = fitted["document"]
    kept = ("measures", "chosen", "windows", "doubts", "times_s")
    return {"seconds": fitted["seconds"], **{key: document.get(key) for key in kept}}


PARTS: dict[str, Callable[[Work], dict[str, Any]]] = {
    "fit": fit_cages,
    "served": served_cages,
    "single_frames": single_frames,
    "timed": timed,
    "again": again,
    "wrong": wrong,
    "natural": natural,
}


def main() -> None:
    """Measure, and write the file; parts that are not asked for stay as the file has them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--video", type=Path, help="of one dark mouse from above, for real")
    parser.add_argument("--part", choices=(*PARTS, "real"), action="append")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    work = Work(given.work.resolve(), lambda message: print(message, flush=True))  # noqa: T201
    document = json.loads(given.out.read_text()) if given.out.exists() else {}
    for part in given.part or (*PARTS, *(["real"] if given.video else [])):
        machine = machine_facts()
        measured = real(work, given.video.resolve()) if part == "real" else PARTS[part](work)
        document[part] = {"machine": machine, "found": measured}
        with complete_file(given.out) as file:
            file.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
