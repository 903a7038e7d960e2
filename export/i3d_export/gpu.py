"""The NVIDIA GPUs that CUDA would use, looked up before TensorRT is touched.

Without a GPU, creating a TensorRT builder or runtime can end the process where no ``except``
helps, so the GPU is looked for first. The driver library libcuda is what is asked: it is what
TensorRT itself will use, it is there wherever the driver is (in containers and under WSL too,
where ``/proc/driver/nvidia`` may be missing), it honours CUDA_VISIBLE_DEVICES, which the
management library does not, and without a GPU it answers with an error code. The management
library (NVML) is asked for the driver's version alone.

Standard library only, and Python 3.10: this runs inside NVIDIA's TensorRT containers.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from i3d_export.errors import PlanError

_NAME_BYTES = 256
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR = 75, 76
_DRIVER_VERSION_BYTES = 80


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        name: as the driver gives it, such as "NVIDIA L4".
        compute_capability: (major, minor).
        memory_bytes: of the device.
        driver_version: such as "580.95.05"; "unknown" where NVML is absent.
    """

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    driver_version: str

    @property
    def capability(self) -> str:
        """The compute capability in writing: "8.9"."""
        return "{}.{}".format(*self.compute_capability)


def visible_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that CUDA sees, in its order; at least one.

    Raises:
        PlanError: there is none, or no driver; the message says which.
    """
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise PlanError(f"no NVIDIA driver on this machine ({error})") from error
    _check(cuda, cuda.cuInit(0))
    count = ctypes.c_int()
    _check(cuda, cuda.cuDeviceGetCount(ctypes.byref(count)))
    if not count.value:
        raise PlanError("the NVIDIA driver shows no GPU (CUDA_VISIBLE_DEVICES?)")
    driver = _driver_version()
    return tuple(_gpu(cuda, ordinal, driver) for ordinal in range(count.value))


def _gpu(cuda: ctypes.CDLL, ordinal: int, driver_version: str) -> Gpu:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name, memory = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_size_t()
    _check(cuda, cuda.cuDeviceGet(ctypes.byref(device), ordinal))
    _check(cuda, cuda.cuDeviceGetName(name, _NAME_BYTES, device))
    _check(cuda, cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    attribute = cuda.cuDeviceGetAttribute
    _check(cuda, attribute(ctypes.byref(major), _COMPUTE_CAPABILITY_MAJOR, device))
    _check(cuda, attribute(ctypes.byref(minor), _COMPUTE_CAPABILITY_MINOR, device))
    return Gpu(
        name=name.value.decode(),
        compute_capability=(major.value, minor.value),
        memory_bytes=memory.value,
        driver_version=driver_version,
    )


def _check(cuda: ctypes.CDLL, code: int) -> None:
    """Raise what libcuda says of an error code."""
    if code == 0:
        return
    text = ctypes.c_char_p()
    cuda.cuGetErrorString(code, ctypes.byref(text))
    said = text.value.decode() if text.value else "an error without a text"
    raise PlanError(f"no usable NVIDIA GPU: the driver says {said!r} (CUDA error {code})")


def _driver_version() -> str:
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return "unknown"
    version = ctypes.create_string_buffer(_DRIVER_VERSION_BYTES)
    if nvml.nvmlInit_v2() != 0:
        return "unknown"
    try:
        known = nvml.nvmlSystemGetDriverVersion(version, _DRIVER_VERSION_BYTES) == 0
        return version.value.decode() if known else "unknown"
    finally:
        nvml.nvmlShutdown()
