"""A lab's credentials are found where they are named, and refused before anything is sent."""

import asyncio
import pickle
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from i3d_client.access import Access, find_access
from i3d_client.credentials import check_credentials, find_credentials
from i3d_client.errors import CredentialsError, I3dError
from i3d_client.inference import may_share_memory
from i3d_client.triton import Connection
from i3d_server.labs import add_lab, init_labs


@pytest.fixture(scope="session")
def given_labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labs and one whose certificate has expired; not to be changed."""
    labs = tmp_path_factory.mktemp("given") / "labs"
    init_labs(labs=labs)
    for name in ("mice", "rats"):
        add_lab(name=name, labs=labs, server=f"{name}.example.org:8443")
    add_lab(name="old", labs=labs, issued_at=datetime.now(UTC) - timedelta(days=800))
    return labs


@pytest.fixture
def mice(given_labs: Path, tmp_path: Path) -> Path:
    """Credentials that a test may spoil."""
    return shutil.copytree(given_labs / "mice", tmp_path / "mice")


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration file, which is not there; nor do variables say anything."""
    monkeypatch.delenv("I3D_SERVER", raising=False)
    monkeypatch.delenv("I3D_CREDENTIALS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/i3d").mkdir(parents=True)
    return tmp_path / "config/i3d/client.toml"


def test_the_first_place_that_says_it_decides(
    given_labs: Path, mice: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_access() == Access(server="localhost:8001", credentials=None)
    config.write_text(f'credentials = "{given_labs / "rats"}"\n')
    found = find_access()
    assert found.server == "rats.example.org:8443"  # the folder's client.toml
    config.write_text(f'credentials = "{given_labs / "rats"}"\nserver = "config:1"\n')
    assert find_access().server == "config:1"
    monkeypatch.setenv("I3D_SERVER", "environment:1")
    monkeypatch.setenv("I3D_CREDENTIALS", str(given_labs / "old"))
    found = find_access()
    assert found.server == "environment:1"
    assert found.credentials is not None
    assert found.credentials.folder.name == "old"
    assert find_access(credentials=given_labs / "rats").server == "rats.example.org:8443"
    found = find_access(server="option:1", credentials=mice)
    assert found.server == "option:1"
    assert found.credentials is not None
    assert found.credentials.folder == mice


def test_the_configuration_file_may_name_a_folder_beside_it(mice: Path, config: Path) -> None:
    shutil.copytree(mice, config.parent / "lab")
    config.write_text('credentials = "lab"\n')
    credentials = find_access().credentials
    assert credentials is not None
    assert credentials.key == config.parent / "lab/client.key"


@pytest.mark.parametrize(
    "text",
    ['password = "x"', "server = 8443", 'server = ""', "credentials = []", "server ="],
)
def test_a_configuration_file_that_cannot_be_used(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(CredentialsError, match=r"client\.toml"):
        find_access(server="localhost:1")


def test_files_may_have_other_names(mice: Path) -> None:
    (mice / "client.key").rename(mice / "private.pem")
    (mice / "client.crt").rename(mice / "lab.pem")
    (mice / "ca.crt").rename(mice / "server.pem")
    (mice / "client.toml").write_text(
        'server = "a:1"\nkey = "private.pem"\ncertificate = "lab.pem"\nca = "server.pem"\n'
    )
    check_credentials(find_credentials(mice))


@pytest.mark.parametrize("text", ['password = "x"', "server = 1", 'key = ""', "key"])
def test_a_client_toml_that_cannot_be_used(mice: Path, text: str) -> None:
    (mice / "client.toml").write_text(text)
    with pytest.raises(CredentialsError, match=r"mice/client\.toml"):
        find_credentials(mice)


def test_whole_credentials_are_taken(mice: Path) -> None:
    (mice / "client.toml").unlink()
    check_credentials(find_credentials(mice))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_key_that_others_can_read_is_refused(mice: Path, mode: int) -> None:
    (mice / "client.key").chmod(mode)
    with pytest.raises(CredentialsError, match=rf"{mode:04o}: chmod 600 .*mice/client\.key"):
        Connection(Access(server="localhost:1", credentials=find_credentials(mice)))


def put(name: str, content: bytes) -> Callable[[Path, Path], None]:
    return lambda folder, _labs: (folder / name).write_bytes(content) and None


def remove(name: str) -> Callable[[Path, Path], None]:
    return lambda folder, _labs: (folder / name).unlink()


def take(name: str, lab: str) -> Callable[[Path, Path], None]:
    return lambda folder, labs: shutil.copy(labs / lab / name, folder / name) and None


def other_authority(folder: Path, _labs: Path) -> None:
    init_labs(labs=folder.parent / "other")
    shutil.copy(folder.parent / "other/gateway/ca.crt", folder / "ca.crt")


def servers_own(folder: Path, labs: Path) -> None:
    shutil.copy(labs / "gateway/server.crt", folder / "client.crt")
    shutil.copy(labs / "gateway/server.key", folder / "client.key")


def lock_key(folder: Path, _labs: Path) -> None:
    key, locked = folder / "client.key", folder / "locked.key"
    command = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked]
    subprocess.run(command, check=True, capture_output=True)
    locked.replace(key)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (remove("client.key"), r"client\.key: cannot be read: No such file"),
        (remove("client.crt"), r"client\.crt: cannot be read: No such file"),
        (remove("ca.crt"), r"ca\.crt: cannot be read: No such file"),
        (put("client.key", b"damaged"), r"client\.key: or .*client\.crt: is damaged"),
        (put("client.crt", b""), r"client\.key: or .*client\.crt: is damaged"),
        (put("ca.crt", b"damaged"), r"ca\.crt: is not a certificate"),
        (take("client.key", "rats"), r"client\.key: is not the key of .*client\.crt"),
        (take("client.crt", "rats"), r"client\.key: is not the key of .*client\.crt"),
        (other_authority, r"client\.crt: is not a client's certificate by .*ca\.crt"),
        (servers_own, r"client\.crt: is not a client's certificate by .*unsuitable|unsupported"),
        (lock_key, "locked by a passphrase"),
    ],
)
def test_files_that_cannot_be_used_are_named_before_anything_is_sent(
    mice: Path, given_labs: Path, spoil: Callable[[Path, Path], None], says: str
) -> None:
    spoil(mice, given_labs)
    (mice / "client.key").exists() and (mice / "client.key").chmod(0o600)
    with pytest.raises(CredentialsError, match=says) as caught:
        Connection(Access(server="localhost:1", credentials=find_credentials(mice)))
    assert "PRIVATE" not in str(caught.value)


def test_an_expired_certificate_says_since_when(given_labs: Path) -> None:
    with pytest.raises(CredentialsError, match=r"valid from .* to .* by this machine's clock"):
        check_credentials(find_credentials(given_labs / "old"))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, found in (("absent", "nothing"), ("file", "a file")):
        with pytest.raises(CredentialsError, match=rf"expected the folder .* found {found}"):
            find_access(credentials=tmp_path / name)


def test_what_workers_are_told_holds_no_key(mice: Path) -> None:
    access = find_access(credentials=mice)
    secret = (mice / "client.key").read_bytes().splitlines()[1]
    told = pickle.dumps(access)
    assert pickle.loads(told) == access  # noqa: S301 - made two lines above
    assert secret not in told
    assert secret not in repr(access).encode()


def test_memory_is_never_shared_through_tls(mice: Path) -> None:
    access = find_access(server="localhost:8443", credentials=mice)
    assert may_share_memory(Access(server="localhost:8443"), "auto")
    assert not may_share_memory(access, "auto")
    with pytest.raises(I3dError, match="takes no shared memory"):
        may_share_memory(access, "shared memory")


def test_an_address_that_is_none_is_refused(mice: Path) -> None:
    async def connect() -> None:
        Connection(find_access(server="localhost", credentials=mice))

    with pytest.raises(I3dError, match="HOST:PORT"):
        asyncio.run(connect())
