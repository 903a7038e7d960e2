"""A fit that trains blocks of the network too, from videos to the profile."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fit.dim_network import dim_network
from tests.fit.fits import PROFILE, Heard, Lab, write_annotations
from tests.fit.stripes import BOUT, LABELS, VIDEOS, bouts, write_stripes

from i3d_export.architecture import LOGITS
from i3d_export.checkpoint import read_checkpoint
from i3d_export.keras_file import save_keras
from i3d_export.profiles import load_profile
from i3d_fit.fit_options import fit_files
from i3d_fit.replaceable import check_replaceable

EPOCHS = 6


@pytest.fixture(scope="module")
def fine_tuned(
    tmp_path_factory: pytest.TempPathFactory, feature_server: str
) -> tuple[dict, Heard, Path]:
    """A fit of a network of the lab's own, whose last block sees little."""
    folder = tmp_path_factory.mktemp("stripes")
    rows = [
        f"{video}.mp4,{place * BOUT / 30},{(place + 1) * BOUT / 30},{LABELS[code]}"
        for video in range(VIDEOS)
        for place, code in enumerate(bouts(video))
    ]
    (folder / "tiny.toml").write_text(f'checkpoint_file = "dim.keras"\n{PROFILE}')
    contract = load_profile(str(folder / "tiny.toml")).contract
    save_keras(dim_network(), folder / "dim.keras", contract=contract)
    lab = Lab(
        folder=folder,
        videos=tuple(write_stripes(folder)),
        annotations=write_annotations(folder / "annotations.csv", rows),
        server=feature_server,
    )
    document, heard = lab.fit("tuned", fine_tune=2, epochs=EPOCHS)
    return document, heard, folder


def test_the_profile_names_the_network_in_place_of_the_head(fine_tuned) -> None:
    document, _, folder = fine_tuned
    profile = load_profile(str(folder / "tuned.toml"))
    assert profile.checkpoint == folder / "tuned.keras"
    assert (profile.head, profile.default_checkpoint) == (None, None)
    variables, digest = read_checkpoint(profile.checkpoint)
    assert digest == document["fine_tuning"]["network_sha256"]
    assert len(variables[f"{LOGITS}/conv_3d/b"]) == len(profile.contract.labels) == 2
    start, _ = read_checkpoint(folder / "dim.keras")
    changed = [name for name in start if not np.array_equal(start[name], variables[name])]
    assert {name.partition("/")[0] for name in changed} == {"Mixed_5b", "Mixed_5c", "Logits"}


def test_the_document_and_the_page_say_what_was_found(fine_tuned) -> None:
    document, heard, folder = fine_tuned
    assert json.loads((folder / "tuned" / "fit.json").read_text()) == document
    found = document["fine_tuning"]
    assert found["best_epoch"] > 0
    assert [epoch["number"] for epoch in found["epochs"]] == list(range(EPOCHS + 1))
    assert document["times_s"]["fine_tuning"] > 0
    assert document["options"]["fine_tune"] == 2
    page = (folder / "tuned" / "report.html").read_text()
    assert "Fine-tuned" in page
    assert found["network_sha256"] in page
    assert sum(line.startswith("epoch ") for line in heard.said) == EPOCHS
    assert not list((folder / "cache" / "fine-tuning").iterdir())


def test_a_network_that_may_have_seen_the_videos_is_doubted(fine_tuned) -> None:
    _, heard, _ = fine_tuned
    assert [doubt for doubt in heard.doubts if "tiny.toml has weights of its own" in doubt]


def test_a_later_fit_may_replace_such_a_profile(fine_tuned) -> None:
    _, _, folder = fine_tuned
    check_replaceable(fit_files(folder / "tuned"), given=(), overwrite=False)


def test_a_fit_without_it_says_nothing_of_it(shared_lab: Lab) -> None:
    document, _ = shared_lab.fit("alone")
    assert document["fine_tuning"] is None
    assert "Fine-tuned" not in (shared_lab.folder / "alone" / "report.html").read_text()
