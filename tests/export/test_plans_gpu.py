"""The GPU is looked for through the driver's library: here a small one of the same interface.

It is compiled C, so that what is called, and with which types, is what a driver would see.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from i3d_export.errors import PlanError
from i3d_export.gpu import Gpu
from i3d_export.plan_stamp import PlanOptions
from i3d_export.plans_in_container import _only_kind

CUDA = r"""
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
static int number(const char *name) { const char *v = getenv(name); return v ? atoi(v) : 0; }
int cuInit(unsigned flags) { return flags ? 1 : number("FAKE_CUDA_INIT"); }
int cuDeviceGetCount(int *count) { *count = number("FAKE_CUDA_COUNT"); return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 40 + ordinal; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    if (device < 40 || size < 64) return 101;
    strcpy(name, device == 40 ? "NVIDIA L4" : "Tesla T4");
    return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 23034ULL << 20; return device < 40; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int l4 = device == 40;
    *value = attribute == 75 ? (l4 ? 8 : 7) : attribute == 76 ? (l4 ? 9 : 5) : -1;
    return 0;
}
int cuGetErrorString(int code, const char **text) {
    *text = code == 100 ? "no CUDA-capable device is detected" : NULL;
    return *text ? 0 : 1;
}
"""
NVML = r"""
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    if (size < 80) return 7;
    strcpy(version, "580.95.05");
    return 0;
}
"""
ASK = """
from i3d_export.errors import PlanError
from i3d_export.gpu import visible_gpus
try:
    for gpu in visible_gpus():
        print(gpu.name, gpu.capability, gpu.memory_bytes >> 20, gpu.driver_version)
except PlanError as error:
    print("error:", error)
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a libcuda and a management library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("driver")
    for name, source in (("libcuda.so.1", CUDA), ("libnvidia-ml.so.1", NVML)):
        (folder / "source.c").write_text(source)
        command = [compiler, "-shared", "-fPIC", "-o", folder / name, folder / "source.c"]
        subprocess.run(command, check=True)
    return folder


def ask(driver: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_every_gpu_is_described(driver: Path) -> None:
    said = ask(driver, FAKE_CUDA_COUNT="2")
    assert said == "NVIDIA L4 8.9 23034 580.95.05\nTesla T4 7.5 23034 580.95.05"


def test_no_gpu_is_said_in_the_drivers_words(driver: Path) -> None:
    assert "no CUDA-capable device is detected' (CUDA error 100)" in ask(
        driver, FAKE_CUDA_INIT="100"
    )
    assert "an error without a text' (CUDA error 999)" in ask(driver, FAKE_CUDA_INIT="999")
    assert "shows no GPU (CUDA_VISIBLE_DEVICES?)" in ask(driver, FAKE_CUDA_COUNT="0")


def test_without_nvml_the_drivers_version_is_unknown(driver: Path, tmp_path: Path) -> None:
    shutil.copy(driver / "libcuda.so.1", tmp_path)
    assert ask(tmp_path, FAKE_CUDA_COUNT="1") == "NVIDIA L4 8.9 23034 unknown"


def test_gpus_of_two_kinds_need_a_choice() -> None:
    gpus = tuple(
        Gpu(name=name, compute_capability=capability, memory_bytes=1, driver_version="1")
        for name, capability in (("NVIDIA L4", (8, 9)), ("NVIDIA A10", (8, 6)))
    )
    with pytest.raises(PlanError, match=r"NVIDIA L4 \(8.9\), NVIDIA A10 \(8.6\).*CUDA_VISIBLE_DEV"):
        _only_kind(gpus, PlanOptions())
    assert _only_kind(gpus, PlanOptions(hardware_compatible=True)) is gpus[0]
    assert _only_kind((gpus[1], gpus[1]), PlanOptions()) is gpus[1]
