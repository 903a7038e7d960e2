"""``i3d doctor`` on hosts that are good, bad and unclear: programs on PATH say what theirs say.

The programs are stand-ins with the output of real ones; ports, disks, memory, files and this
machine itself are real.
"""

import json
import os
import re
import shlex
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.server.programs import write_program
from tests.server.tiny_network import write_tiny_model

from i3d_server.certificate_authority import AUTHORITY_DAYS, certificate_pem, new_authority
from i3d_server.doctor import examine_host
from i3d_server.doctor_check import Check
from i3d_server.doctor_cli import doctor
from i3d_server.doctor_settings import StackSettings, read_settings
from i3d_server.labs import init_labs

CHECKOUT = Path(__file__).parents[2]
A100 = "NVIDIA A100-SXM4-40GB, 580.95.05, 40960, 40338, 8.0"
V100 = "Tesla V100-SXM2-16GB, 535.183.01, 16384, 16151, 7.0"
B200 = "NVIDIA B200, 580.95.05, 183359, 182642, 10.0"
DOCKER = {"ServerVersion": "28.3.2", "Runtimes": {"nvidia": {}, "runc": {}}, "CDISpecDirs": []}
COMPOSE_CONFIG = """services:
  gateway:
    image: nginx:stable
  triton:
    image: "nvcr.io/nvidia/tritonserver:26.06-py3"
"""

Program = Callable[..., None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a program on an otherwise empty PATH: text for arguments, the first match counts."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, *answers: tuple[str, str], status: int = 0, errors: str = "") -> None:
        cases = [
            f"{pattern}) printf '%s\\n' {shlex.quote(text)}; exit 0;;" for pattern, text in answers
        ]
        script = ["#!/bin/sh", 'case "$*" in', *cases, "esac"]
        script += [f"printf '%s\\n' {shlex.quote(errors)} >&2" if errors else ":", f"exit {status}"]
        write_program(folder / name, "\n".join(script) + "\n")

    return put


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A checkout that can be served: Compose files, a model, free ports."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("docker-compose.yml", "docker-compose.cpu.yml"):
        (folder / name).touch()
    write_tiny_model(folder / "model_repository", "tiny_fp32")
    (folder / "model_repository" / "tiny_fp32" / "config.pbtxt").touch()
    (folder / "model_repository" / "tiny_fp32" / "1" / "model.onnx").touch()
    names = ("GATEWAY_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT")
    (folder / ".env").write_text("".join(f"{name}={free_port()}\n" for name in names))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def set_up(program: Program, *, gpus: str = A100, docker: dict[str, object] = DOCKER) -> None:
    """A host on which all is well."""
    program("nvidia-smi", ("*compute_cap*", gpus))
    program(
        "docker",
        ("info*", json.dumps(docker)),
        ("compose*version*", "2.38.2"),
        ("compose*config", COMPOSE_CONFIG),
        ("image*", "[]"),
        ("ps*", ""),
    )


def settings(stack: Path, *, gpu: bool = True, release: str | None = None) -> StackSettings:
    return read_settings(folder=stack, gpu=gpu, release=release, environment={})


def examined(stack: Path, *, gpu: bool = True, release: str | None = "26.06") -> dict[str, Check]:
    return {check.name: check for check in examine_host(settings(stack, gpu=gpu, release=release))}


def run_doctor(*options: object) -> Result:
    return CliRunner().invoke(doctor, [str(option) for option in options])


def test_a_good_host_has_no_problem(program: Program, stack: Path) -> None:
    set_up(program)
    result = run_doctor("--folder", stack, "--release", "26.06")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert not [line for line in lines if line.startswith("problem")]
    assert "ok       driver             driver 580.95.05 fits 26.06" in lines
    assert "ok       GPU                1 × NVIDIA A100-SXM4-40GB" in lines
    assert "ok       models             tiny_fp32" in lines


def test_a_v100_is_told_its_release(program: Program, stack: Path) -> None:
    set_up(program, gpus=V100)
    found = examined(stack)
    assert found["GPU and release"].status == "problem"
    assert "TRITON_RELEASE=24.09" in found["GPU and release"].advice
    assert examined(stack, release="24.09")["GPU and release"].status == "ok"
    assert run_doctor("--folder", stack, "--release", "26.06").exit_code == 1


def test_a_blackwell_gpu_needs_a_newer_release(program: Program, stack: Path) -> None:
    set_up(program, gpus=B200)
    assert "25.01" in examined(stack, release="24.12")["GPU and release"].says
    assert examined(stack)["GPU and release"].status == "ok"


def test_gpus_of_two_kinds_are_a_problem_and_full_memory_is_seen(
    program: Program, stack: Path
) -> None:
    full = "NVIDIA A100-SXM4-40GB, 580.95.05, 40960, 1200, 8.0"
    set_up(program, gpus=f"{B200}\n{full}\n{full.replace('1200', '[N/A]')}")
    found = examined(stack)
    assert found["GPU"].status == "problem"
    assert "2 × NVIDIA A100-SXM4-40GB" in found["GPU"].says
    assert [found[f"GPU {n} memory"].status for n in range(3)] == ["ok", "warning", "warning"]
    assert found["GPU 1 memory"].says == "1.2 of 40.0 GiB free"


def test_an_old_nvidia_smi_does_not_know_the_compute_capability(
    program: Program, stack: Path
) -> None:
    set_up(program)
    write_program(
        Path(os.environ["PATH"]) / "nvidia-smi",
        "#!/bin/sh\n"
        'case "$*" in *compute_cap*) echo \'Field "compute_cap" is not a valid field to query.\'; '
        "exit 2;; esac\n"
        "echo 'Tesla T4, 470.57.02, 15109, 15106'\n",
    )
    found = examined(stack, release="25.01")
    assert found["GPU"].says == "1 × Tesla T4"
    assert found["GPU and release"].status == "warning"
    assert found["driver"].status == "warning"
    assert "data-centre" in found["driver"].says


@pytest.mark.parametrize(
    ("errors", "says"),
    [
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "driver"),
        ("Failed to initialize NVML: Driver/library version mismatch", "mismatch"),
    ],
)
def test_a_driver_that_does_not_answer(
    program: Program, stack: Path, errors: str, says: str
) -> None:
    set_up(program)
    program("nvidia-smi", status=9, errors=errors)
    found = examined(stack)
    assert found["driver"].status == "problem"
    assert says in found["driver"].says
    assert "GPU" not in found


@pytest.mark.usefixtures("program")
def test_a_host_with_nothing_installed(stack: Path) -> None:
    found = examined(stack)
    assert found["driver"].says == "no nvidia-smi"
    assert found["Docker"].advice.startswith("install Docker")
    assert found["Compose"].says == "not there"
    assert {found[name].status for name in ("driver", "Docker", "Compose")} == {"problem"}


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("permission denied while trying to connect to the Docker daemon socket", "usermod"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "systemctl start"),
    ],
)
def test_a_daemon_that_cannot_be_asked(
    program: Program, stack: Path, reason: str, advice: str
) -> None:
    set_up(program, docker={"ServerErrors": [reason]})
    assert advice in examined(stack)["Docker"].advice
    program("docker", status=1, errors=reason)
    found = examined(stack)["Docker"]
    assert (found.status, found.says) == ("problem", reason)
    assert advice in found.advice


def test_container_toolkit(program: Program, stack: Path) -> None:
    without = {**DOCKER, "Runtimes": {"runc": {}}}
    set_up(program, docker=without)
    found = examined(stack)["container toolkit"]
    assert found.status == "problem"
    assert "install the NVIDIA Container Toolkit" in found.advice
    program("nvidia-ctk")
    found = examined(stack)["container toolkit"]
    assert found.status == "problem"
    assert found.advice.startswith("sudo nvidia-ctk runtime configure")
    program("nvidia-container-runtime-hook")
    assert examined(stack)["container toolkit"].status == "ok"


@pytest.mark.parametrize(
    ("plugin", "standalone", "status", "says"),
    [
        ("2.38.2", None, "ok", "docker compose, version 2.38.2"),
        (None, "1.29.2", "ok", "docker-compose, version 1.29.2"),
        (None, "1.25.0", "problem", "version 1.25.0; expected 1.29 or later"),
        (None, "v2.20.0", "ok", "docker-compose, version 2.20.0"),
    ],
)
def test_compose(
    program: Program,
    stack: Path,
    plugin: str | None,
    standalone: str | None,
    status: str,
    says: str,
) -> None:
    answers = [("info*", json.dumps(DOCKER))]
    if plugin is not None:
        answers.append(("compose*version*", plugin))
    program("docker", *answers, status=1, errors="docker: 'compose' is not a docker command.")
    if standalone is not None:
        program("docker-compose", ("version*", standalone), ("*config", COMPOSE_CONFIG))
    found = examined(stack)["Compose"]
    assert (found.status, found.says) == (status, says)


def test_images_that_are_not_there_are_named(program: Program, stack: Path) -> None:
    set_up(program)
    assert examined(stack)["images"].says == "all 2 are there"
    answers = (
        ("info*", json.dumps(DOCKER)),
        ("compose*version*", "2.38.2"),
        ("compose*config", COMPOSE_CONFIG),
        ("image*nginx*", "[]"),
    )
    program("docker", *answers, status=1, errors="No such image")
    found = examined(stack)["images"]
    assert found.status == "warning"
    assert found.says == "not here yet: nvcr.io/nvidia/tritonserver:26.06-py3"


def test_a_stack_that_compose_cannot_read(program: Program, stack: Path) -> None:
    answers = (("info*", json.dumps(DOCKER)), ("compose*version*", "2.38.2"))
    program("docker", *answers, status=15, errors="invalid interpolation format")
    found = examined(stack)["stack"]
    assert (found.status, found.says) == (
        "problem",
        "docker-compose.yml: invalid interpolation format",
    )


def test_ports(program: Program, stack: Path) -> None:
    set_up(program)
    chosen = settings(stack)
    name = "port of gateway"
    assert examined(stack)[name].status == "ok"
    with socket.create_server(("127.0.0.1", chosen.gateway_port)):
        found = examined(stack)[name]
        assert found.status == "problem"
        assert "GATEWAY_PORT" in found.advice
        program("docker", ("info*", json.dumps(DOCKER)), (f"ps*{chosen.gateway_port}*", "gateway"))
        assert "stack's own" in examined(stack)[name].says
    with socket.create_server(("127.0.0.1", chosen.grafana_port)):
        assert examined(stack)["port of grafana"].status == "warning"
    with (stack / ".env").open("a") as env:
        env.write("GATEWAY_BIND=192.0.2.7\n")
    assert "no address of this host" in examined(stack)[name].says


def test_models(program: Program, stack: Path) -> None:
    set_up(program)
    model = stack / "model_repository" / "tiny_fp32"
    assert examined(stack, gpu=False)["models"].status == "ok"
    (model / "1" / "model.onnx").unlink()
    assert examined(stack)["models"].status == "problem"
    assert examined(stack, gpu=False)["models"].status == "ok"
    (model / "1" / "build.json").unlink()
    found = examined(stack, gpu=False)["models"]
    assert found.status == "problem"
    assert "i3d export" in found.advice
    with (stack / ".env").open("a") as env:
        env.write("MODELS=tiny_fp32,absent\nMODEL_REPOSITORY=./model_repository\n")
    assert "absent, tiny_fp32 (MODELS)" in examined(stack, gpu=False)["models"].says


def test_keys_that_others_can_read_are_a_problem(program: Program, stack: Path) -> None:
    set_up(program)
    assert "made by the first start" in examined(stack)["labs"].says
    for name in ("authority/ca.key", "alpha/client.key", "beta/client.key"):
        key = stack / "labs" / name
        key.parent.mkdir(parents=True)
        key.touch(mode=0o600)
    (stack / "labs").chmod(0o755)
    server_key = stack / "labs" / "gateway" / "server.key"
    server_key.parent.mkdir()
    server_key.touch()
    server_key.chmod(0o640)  # the gateway's group
    assert examined(stack)["labs"].says.startswith("2 in ")
    server_key.chmod(0o644)
    assert "gateway/server.key" in examined(stack)["labs"].says
    server_key.chmod(0o640)
    (stack / "labs" / "beta" / "client.key").chmod(0o640)
    found = examined(stack)["labs"]
    assert found.status == "problem"
    assert "beta/client.key" in found.says
    assert "alpha/client.key" not in found.says
    (stack / "labs" / "beta" / "client.key").chmod(0o600)
    (stack / "labs").chmod(0o777)
    assert "everyone may write" in examined(stack)["labs"].says


def test_certificates_that_soon_expire_are_said(stack: Path) -> None:
    labs = stack / "labs"
    init_labs(labs=labs)
    assert examined(stack)["labs"].status == "ok"
    (labs / "gateway" / "server.crt").unlink()
    init_labs(labs=labs, days=29)
    found = examined(stack)["labs"]
    assert (found.status, "server.crt expires on" in found.says) == ("warning", True)
    old = new_authority(now=datetime.now(UTC) - timedelta(days=AUTHORITY_DAYS - 59))
    (labs / "authority" / "ca.crt").write_bytes(certificate_pem(old.certificate))
    found = examined(stack)["labs"]
    assert (found.status, "ca.crt expires on" in found.says) == ("warning", True)


def test_memory_below_the_limit_of_triton(program: Program, stack: Path) -> None:
    set_up(program)
    with (stack / ".env").open("a") as env:
        env.write('export TRITON_MEMORY="900000g" # more than there is\n')
    assert "Triton may take 900000g" in examined(stack)["memory"].says


def test_json_is_a_list_of_checks(program: Program, stack: Path) -> None:
    set_up(program, gpus=V100)
    result = run_doctor("--folder", stack, "--release", "26.06", "--json")
    checks = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {"name", "status", "says", "advice"} == set(checks[0])
    assert {check["status"] for check in checks} >= {"ok", "problem"}
    assert all(check["advice"] for check in checks if check["status"] != "ok")


def test_settings_come_from_the_environment_then_from_env_then_from_compose(stack: Path) -> None:
    (stack / ".env").write_text(
        "# a comment\nTRITON_RELEASE=25.01 # for Blackwell\nMODELS='a, b'\n"
    )
    found = read_settings(folder=stack, gpu=True, release=None, environment={})
    assert (found.release, found.models, found.gateway_port) == ("25.01", ("a", "b"), 8443)
    environment = {"TRITON_RELEASE": "25.08", "MODELS": ""}
    found = read_settings(folder=stack, gpu=True, release=None, environment=environment)
    assert (found.release, found.models) == ("25.08", ())
    found = read_settings(folder=stack, gpu=True, release="24.09", environment=environment)
    assert found.release == "24.09"


@pytest.mark.parametrize(
    "text", ["TRITON_RELEASE=latest", "TRITON_RELEASE=26.13", "GATEWAY_PORT=x"]
)
def test_settings_that_are_none_are_refused(stack: Path, text: str) -> None:
    (stack / ".env").write_text(f"{text}\n")
    result = run_doctor("--folder", stack)
    assert result.exit_code != 0
    assert text.partition("=")[0] in str(result.exception)


def test_defaults_are_those_of_the_compose_files(tmp_path: Path) -> None:
    text = "".join(path.read_text() for path in CHECKOUT.glob("docker-compose*.yml"))
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    found = read_settings(folder=tmp_path, gpu=True, release=None, environment={})
    assert defaults["TRITON_RELEASE"] == found.release
    assert defaults["GATEWAY_BIND"] == found.gateway_address
    assert defaults["GATEWAY_PORT"] == str(found.gateway_port)
    assert defaults["PROMETHEUS_PORT"] == str(found.prometheus_port)
    assert defaults["GRAFANA_PORT"] == str(found.grafana_port)
    assert defaults["TRITON_MEMORY"] == found.triton_memory
    assert tmp_path / defaults["MODEL_REPOSITORY"] == found.repository
    assert tmp_path / defaults["LABS_FOLDER"] == found.labs


def test_this_machine_as_it_is() -> None:
    """Whatever is installed here, there is an answer to every question, and a status."""
    result = run_doctor("--cpu", "--folder", CHECKOUT, "--json")
    checks = json.loads(result.stdout)
    assert {"Docker", "Compose", "disk", "memory", "models"} <= {check["name"] for check in checks}
    problem = any(check["status"] == "problem" for check in checks)
    assert result.exit_code == (1 if problem else 0)
    assert not any(check["name"] in ("driver", "GPU") for check in checks)
