"""Labs' certificates, as OpenSSL takes them, and what the gateway is given."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from i3d_client.errors import I3dError
from i3d_server.labs import (
    AddedLab,
    LabsError,
    add_lab,
    fingerprint,
    init_labs,
    list_labs,
    renew_lab,
    revoke_lab,
)
from i3d_server.labs_cli import labs as labs_command

LONG_AGO = datetime.now(UTC) - timedelta(days=800)


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    init_labs(labs=tmp_path / "labs")
    return tmp_path / "labs"


def openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verify(labs: Path, certificate: Path, *options: str) -> str:
    """Return what OpenSSL has against a certificate, with the gateway's authority and list."""
    gateway = labs / "gateway"
    trust = ["-CAfile", gateway / "ca.crt", "-crl_check", "-CRLfile", gateway / "revoked.pem"]
    done = openssl("verify", "-x509_strict", *trust, *options, certificate)
    return "" if done.returncode == 0 else done.stderr


def gateway_context(labs: Path) -> ssl.SSLContext:
    """A TLS server that asks for certificates, as the gateway is configured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    gateway = labs / "gateway"
    context.load_cert_chain(gateway / "server.crt", gateway / "server.key")
    context.load_verify_locations(gateway / "ca.crt")
    context.load_verify_locations(gateway / "revoked.pem")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def lab_context(trusted: Path, lab: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trusted)
    if lab is not None:
        context.load_cert_chain(lab / "client.crt", lab / "client.key")
    return context


def name_seen(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> str:
    """Shake hands; return the name in the client's certificate as the server has verified it."""
    ours, theirs = socket.socketpair()

    def connect() -> None:
        with client.wrap_socket(theirs, server_hostname=host) as connection:
            connection.recv(1)

    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(connect)
        with ours, server.wrap_socket(ours, server_side=True) as connection:
            certificate = connection.getpeercert() or {}
            connection.send(b"x")
        connecting.result()
    ((name,),) = certificate["subject"]  # type: ignore[misc]
    return str(name[1])


def test_a_lab_s_certificate_is_taken_and_names_it(labs: Path) -> None:
    added = add_lab(name="mouse-lab", labs=labs)
    client = lab_context(added.folder / "ca.crt", added.folder)
    for host in ("localhost", "127.0.0.1", "::1", "gateway"):
        assert name_seen(gateway_context(labs), client, host) == "mouse-lab"
    assert verify(labs, added.folder / "client.crt", "-purpose", "sslclient") == ""
    assert verify(labs, labs / "gateway/server.crt", "-purpose", "sslserver") == ""


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("expired", "certificate has expired"),
        ("revoked", "certificate revoked"),
        ("another authority's", "unable to get local issuer"),
    ],
)
def test_a_certificate_that_is_not_valid_is_refused(
    labs: Path, tmp_path: Path, kind: str, reason: str
) -> None:
    folder: Path | None = None
    if kind == "expired":
        folder = add_lab(name="lab", labs=labs, issued_at=LONG_AGO).folder
    elif kind == "revoked":
        folder = add_lab(name="lab", labs=labs).folder
        revoke_lab(name="lab", labs=labs)
    elif kind == "another authority's":
        init_labs(labs=tmp_path / "other")
        folder = add_lab(name="lab", labs=tmp_path / "other").folder
    with pytest.raises(ssl.SSLError, match=reason):
        name_seen(gateway_context(labs), lab_context(labs / "gateway/ca.crt", folder))
    if folder is not None:
        assert reason in verify(labs, folder / "client.crt")


def test_a_lab_cannot_pass_for_the_gateway_nor_the_gateway_for_a_lab(labs: Path) -> None:
    added = add_lab(name="localhost", labs=labs)
    assert "purpose" in verify(labs, added.folder / "client.crt", "-purpose", "sslserver")
    assert "purpose" in verify(labs, labs / "gateway/server.crt", "-purpose", "sslclient")


def test_revocation_leaves_the_others_and_outlives_a_new_certificate(labs: Path) -> None:
    first, other = add_lab(name="rats", labs=labs), add_lab(name="mice", labs=labs)
    old = (first.folder / "client.crt").read_bytes()
    revoke_lab(name="rats", labs=labs)
    again = add_lab(name="rats", labs=labs, in_flight=3)
    assert again.lab.serial != first.lab.serial
    revoke_lab(name="mice", labs=labs)
    (labs / "old.crt").write_bytes(old)
    assert "revoked" in verify(labs, labs / "old.crt")
    assert "revoked" in verify(labs, other.folder / "client.crt")
    assert verify(labs, again.folder / "client.crt") == ""
    assert [(lab.name, lab.in_flight, lab.state) for lab in list_labs(labs=labs)] == [
        ("mice", 8, "revoked"),
        ("rats", 3, "live"),
    ]


def test_the_revocation_list_lasts_and_is_renewed(labs: Path) -> None:
    shown = openssl("crl", "-in", labs / "gateway/revoked.pem", "-noout", "-nextupdate").stdout
    ends = ssl.cert_time_to_seconds(shown.partition("=")[2].strip())
    assert ends > (datetime.now(UTC) + timedelta(days=9 * 365)).timestamp()
    (labs / "gateway/revoked.pem").write_text("damaged")
    list_labs(labs=labs)
    assert openssl("crl", "-in", labs / "gateway/revoked.pem", "-noout").returncode == 0


def test_what_says_the_same_is_not_written_again(labs: Path) -> None:
    """The gateway reads its configuration again when a file changes."""
    add_lab(name="mice", labs=labs)

    def files() -> dict[Path, tuple[bytes, int]]:
        paths = [path for path in labs.rglob("*") if path.is_file() and path.name != ".lock"]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    before = files()
    made = init_labs(labs=labs)
    list_labs(labs=labs)
    assert files() == before
    shown = openssl("x509", "-in", labs / "gateway/ca.crt", "-noout", "-fingerprint", "-sha256")
    assert shown.stdout.strip().endswith(f"={made.fingerprint}")
    assert fingerprint(labs=labs) == made.fingerprint


def test_keys_are_private_from_the_first_byte_on(tmp_path: Path) -> None:
    """Whatever the umask is, and whenever one looks."""
    seen: set[int] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for path in [*tmp_path.rglob("*.key"), *tmp_path.rglob(".*.key.part")]:
                try:
                    seen.add(stat.S_IMODE(path.stat().st_mode))
                except FileNotFoundError:
                    continue

    before = os.umask(0)
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        init_labs(labs=tmp_path / "labs")
        for number in range(20):
            add_lab(name=f"lab{number}", labs=tmp_path / "labs")
    finally:
        os.umask(before)
        ended.set()
        watching.join()
    assert seen == {0o600}
    folders = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("labs/*")}
    assert folders.pop("gateway") == 0o755
    assert set(folders.values()) == {0o700}


def test_a_part_that_a_killed_run_left_open_to_all_is_not_written_into(labs: Path) -> None:
    folder = labs / "mice"
    folder.mkdir(mode=0o777)
    left = folder / ".client.key.part"
    left.touch()
    left.chmod(0o666)
    with left.open() as held:
        add_lab(name="mice", labs=labs)
        assert held.read() == ""
    assert stat.S_IMODE((folder / "client.key").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files to others")
def test_what_root_writes_belongs_to_whom_the_folder_belongs(labs: Path) -> None:
    for path in (labs, *labs.rglob("*")):
        os.chown(path, 12345, 12346)
    (labs / "gateway/server.key").unlink()
    add_lab(name="mice", labs=labs)
    for path in labs.rglob("*"):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346), path


def test_a_live_name_is_refused_and_an_expired_one_renewed(labs: Path) -> None:
    add_lab(name="mice", labs=labs, issued_at=LONG_AGO)
    assert [lab.state for lab in list_labs(labs=labs)] == ["expired"]
    renewed = add_lab(name="mice", labs=labs)
    with pytest.raises(LabsError, match=r"lab mice has a certificate until.*i3d labs revoke mice"):
        add_lab(name="mice", labs=labs)
    assert list_labs(labs=labs) == [renewed.lab]
    assert verify(labs, renewed.folder / "client.crt") == ""


def test_a_renewal_leaves_the_earlier_certificates_until_all_are_revoked(labs: Path) -> None:
    added = add_lab(name="mice", labs=labs, in_flight=3, days=10)
    caps = (labs / "gateway/caps.conf").read_bytes()
    certificates = [labs / f"{number}.crt" for number in range(3)]
    certificates[0].write_bytes((added.folder / "client.crt").read_bytes())
    for path in certificates[1:]:
        renewed = renew_lab(name="mice", labs=labs, days=20)
        path.write_bytes((renewed.folder / "client.crt").read_bytes())
    assert len({path.read_bytes() for path in certificates}) == 3
    assert [verify(labs, path) for path in certificates] == ["", "", ""]
    assert name_seen(gateway_context(labs), lab_context(labs / "gateway/ca.crt", added.folder))
    (lab,) = list_labs(labs=labs)
    assert (lab.in_flight, lab.state, len(lab.earlier)) == (3, "live", 2)
    assert added.lab.serial in lab.earlier
    assert (labs / "gateway/caps.conf").read_bytes() == caps
    revoke_lab(name="mice", labs=labs)
    assert all("revoked" in verify(labs, path) for path in certificates)
    add_lab(name="mice", labs=labs)
    assert all("revoked" in verify(labs, path) for path in certificates)


def test_a_lab_lives_as_long_as_its_last_certificate(labs: Path) -> None:
    """Or its name could be given again, and nobody could revoke the one that is still valid."""
    add_lab(name="mice", labs=labs)
    renew_lab(name="mice", labs=labs, days=0)
    assert [lab.state for lab in list_labs(labs=labs)] == ["live"]
    with pytest.raises(LabsError, match="i3d labs renew mice"):
        add_lab(name="mice", labs=labs)


def test_who_has_no_valid_certificate_is_not_renewed(labs: Path) -> None:
    add_lab(name="rats", labs=labs, issued_at=LONG_AGO)
    add_lab(name="mice", labs=labs)
    revoke_lab(name="mice", labs=labs)
    for name, said in (("rats", "is expired"), ("mice", "is revoked"), ("cats", "no lab is call")):
        with pytest.raises(LabsError, match=said):
            renew_lab(name=name, labs=labs)


def test_an_earlier_certificate_that_has_expired_is_forgotten(labs: Path) -> None:
    add_lab(name="mice", labs=labs)
    renew_lab(name="mice", labs=labs)
    path = labs / "authority/labs.json"
    document = json.loads(path.read_text())
    (serial,) = document["labs"]["mice"]["earlier"]
    document["labs"]["mice"]["earlier"][serial] = "2026-01-01T00:00:00+00:00"
    path.write_text(json.dumps(document))
    assert [lab.earlier_until for lab in list_labs(labs=labs)] == [None]
    assert int(serial, 16) not in renew_lab(name="mice", labs=labs).lab.earlier


def test_a_register_of_before_there_were_renewals_is_read(labs: Path) -> None:
    added = add_lab(name="mice", labs=labs)
    path = labs / "authority/labs.json"
    document = json.loads(path.read_text())
    del document["labs"]["mice"]["earlier"]
    path.write_text(json.dumps(document))
    assert list_labs(labs=labs) == [added.lab]


def test_labs_that_are_added_at_once_are_all_kept(labs: Path) -> None:
    names = [f"lab-{number}" for number in range(8)]
    code = "import sys; from i3d_server.labs_cli import labs; labs(sys.argv[1:])"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, "add", name, "--labs", str(labs)],
            stdout=subprocess.DEVNULL,
        )
        for name in names
    ]
    assert [process.wait() for process in started] == [0] * len(names)
    assert [lab.name for lab in list_labs(labs=labs)] == names
    caps = (labs / "gateway/caps.conf").read_text()
    assert all(f'"{name}"' in caps for name in names)


def test_the_caps_that_nginx_is_told(labs: Path) -> None:
    for name, in_flight in (("rats", 4), ("mice", 16), ("flies", 4), ("gone", 2)):
        add_lab(name=name, labs=labs, in_flight=in_flight)
    revoke_lab(name="gone", labs=labs)
    comment = "# Written by `i3d labs`: do not edit.\n"
    assert (labs / "gateway/caps.conf").read_text() == comment + (
        'map $i3d_lab $i3d_listed {\n    default "";\n    "flies" yes;\n    "mice" yes;\n'
        '    "rats" yes;\n}\n'
        'map $i3d_lab $i3d_cap_4 {\n    default "";\n    "flies" "flies";\n    "rats" "rats";\n}\n'
        "limit_conn_zone $i3d_cap_4 zone=i3d_cap_4:1m;\n"
        'map $i3d_lab $i3d_cap_16 {\n    default "";\n    "mice" "mice";\n}\n'
        "limit_conn_zone $i3d_cap_16 zone=i3d_cap_16:1m;\n"
    )
    assert (labs / "gateway/caps_limits.conf").read_text() == comment + (
        "limit_conn i3d_cap_4 4;\nlimit_conn i3d_cap_16 16;\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a",
            "Mice",
            "a" * 41,
            "-ab",
            "ab-",
            "a b",
            'a" 1; }',
            "ab\n",
            "../ab",
            "a/b",
            "mäuse",
        ),
        *("authority", "gateway", "default", "include", "hostnames", "volatile"),
    ],
)
def test_a_name_that_a_lab_cannot_have(labs: Path, name: str) -> None:
    with pytest.raises(LabsError, match="name of a lab"):
        add_lab(name=name, labs=labs)
    assert list_labs(labs=labs) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 'x" 1;} #'}, "name of a lab"),
        ({"in_flight": "8; }"}, "requests in flight"),
        ({"in_flight": True}, "requests in flight"),
        ({"in_flight": 0}, "requests in flight"),
        ({"expires": "2028-01-01T00:00:00"}, "offset from UTC"),
        ({"serial": "xyz"}, "invalid literal"),
        ({"colour": "grey"}, "expected .*got"),
    ],
    ids=str,
)
def test_a_register_that_somebody_spoiled_never_reaches_nginx(
    labs: Path, change: dict[str, object], message: str
) -> None:
    add_lab(name="mice", labs=labs)
    before = (labs / "gateway/caps.conf").read_bytes()
    path = labs / "authority/labs.json"
    document = json.loads(path.read_text())
    lab = {**document["labs"].pop("mice"), **change}
    document["labs"][lab.pop("name", "mice")] = lab
    path.write_text(json.dumps(document))
    with pytest.raises(LabsError, match=message):
        list_labs(labs=labs)
    assert (labs / "gateway/caps.conf").read_bytes() == before


def test_other_hosts_renew_the_gateway_s_certificate(labs: Path) -> None:
    def certificate() -> bytes:
        return (labs / "gateway/server.crt").read_bytes()

    first = certificate()
    made = init_labs(labs=labs, hosts=["GPU.example.org", "10.0.0.5"])
    second = certificate()
    assert second != first
    assert (made.hosts[:2], made.server) == (
        ("gpu.example.org", "10.0.0.5"),
        "gpu.example.org:8443",
    )
    added = add_lab(name="mice", labs=labs)
    client = lab_context(added.folder / "ca.crt", added.folder)
    for host in ("gpu.example.org", "10.0.0.5", "localhost"):
        assert name_seen(gateway_context(labs), client, host) == "mice"
    assert (added.folder / "client.toml").read_text() == 'server = "gpu.example.org:8443"\n'
    init_labs(labs=labs)
    init_labs(labs=labs, hosts=["gpu.example.org", "10.0.0.5"])
    assert certificate() == second
    with pytest.raises(LabsError, match="--host: expected a host name"):
        init_labs(labs=labs, hosts=["gpu example"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to a group")
def test_whoever_reads_the_gateway_s_key_reads_the_next_one_too(labs: Path) -> None:
    key = labs / "gateway" / "server.key"
    os.chown(key, -1, 8443)
    key.chmod(0o640)
    before = key.read_bytes()
    init_labs(labs=labs, hosts=["gpu.example.org"])
    assert key.read_bytes() != before
    assert (stat.S_IMODE(key.stat().st_mode), key.stat().st_gid) == (0o640, 8443)


def test_a_certificate_of_the_gateway_that_soon_expires_is_renewed(labs: Path) -> None:
    init_labs(labs=labs, hosts=["gpu.example.org"], days=20)
    add_lab(name="mice", labs=labs)
    month = str(30 * 24 * 3600)
    path = labs / "gateway/server.crt"
    assert openssl("x509", "-in", path, "-noout", "-checkend", month).returncode == 0
    assert verify(labs, path, "-verify_hostname", "gpu.example.org") == ""


def test_what_is_lost_of_the_gateway_s_folder_comes_back(labs: Path) -> None:
    added: AddedLab = add_lab(name="mice", labs=labs)
    revoke_lab(name="mice", labs=labs)
    for path in (labs / "gateway").iterdir():
        path.unlink()
    list_labs(labs=labs)
    assert "revoked" in verify(labs, added.folder / "client.crt")
    assert verify(labs, labs / "gateway/server.crt") == ""


def test_an_authority_that_is_not_whole_is_not_made_anew(labs: Path, tmp_path: Path) -> None:
    init_labs(labs=tmp_path / "other")
    key = (tmp_path / "other/authority/ca.key").read_bytes()
    (labs / "authority/ca.key").write_bytes(key)
    with pytest.raises(LabsError, match=r"ca\.key is not the key of its ca\.crt"):
        init_labs(labs=labs)
    (labs / "authority/ca.key").write_bytes(b"damaged")
    with pytest.raises(LabsError, match="is damaged"):
        init_labs(labs=labs)
    (labs / "authority/labs.json").unlink()
    with pytest.raises(LabsError, match="restore authority/ from a backup"):
        init_labs(labs=labs)
    with pytest.raises(LabsError, match="i3d labs init"):
        list_labs(labs=labs)


def test_who_is_not_a_lab_cannot_be_revoked(labs: Path) -> None:
    add_lab(name="mice", labs=labs)
    add_lab(name="rats", labs=labs)
    with pytest.raises(LabsError, match=r"no lab is called 'cats'; there are: mice, rats"):
        revoke_lab(name="cats", labs=labs)
    assert revoke_lab(name="rats", labs=labs) == revoke_lab(name="rats", labs=labs)


@pytest.mark.parametrize("server", ["gpu.example.org", 'x"\nca = "/etc/passwd":1', "a:0"])
def test_a_server_that_is_no_address_is_not_handed_over(labs: Path, server: str) -> None:
    with pytest.raises(I3dError, match="HOST:PORT"):
        add_lab(name="mice", labs=labs, server=server)


def test_the_commands_say_what_to_do_next(tmp_path: Path) -> None:
    folder = tmp_path / "labs"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(labs_command, [*arguments, "--labs", str(folder)])
        assert done.exit_code == 0, done.output
        return done.output

    made = run("init")
    assert fingerprint(labs=folder) in made
    assert run("init") == made
    assert "i3d labs add NAME" in run("list")
    said = run("add", "mouse-lab", "--in-flight", "3", "--server", "gpu:9000")
    again = run("renew", "mouse-lab", "--server", "gpu:9000")
    assert again.startswith(said)
    assert "goes on until" in again
    assert "live, an earlier one until" in run("list")
    assert said.startswith(f"{folder / 'mouse-lab'}\n")
    assert "--credentials mouse-lab" in said
    assert "server gpu:9000, at most 3 requests in flight" in said
    assert "PRIVATE KEY" not in said
    assert "revoked" in run("revoke", "mouse-lab")
    header, row = run("list").splitlines()
    assert header.split("  ")[0] == "name"
    assert row.split()[:2] == ["mouse-lab", "3"]
    assert "revoked" in row
