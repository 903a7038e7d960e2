"""Whether /dev/shm can hold what Triton's Python backend puts there.

The backend copies each batch into a region of /dev/shm that belongs to the model's instance. A
region that cannot grow fails requests in the middle of a run, so the room is checked before the
start: containers often have 64 MB, and one batch of 8 segments of 64 × 224 × 224 × 3 takes 77.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from i3d_server.errors import ServerStartError
from i3d_server.repository_view import read_config

_SHM = Path("/dev/shm")  # noqa: S108 - the place, not a temporary file of ours
REGION_BYTES = 16 * 2**20
_ITEM_BYTES = {"UINT8": 1, "INT8": 1, "BOOL": 1, "FP16": 2, "BF16": 2, "INT16": 2, "FP64": 8}


def require_shared_memory(
    repository: Path, *, config_name: str | None, free_bytes: int | None = None
) -> None:
    """Check that one full batch of every model fits into /dev/shm.

    Args:
        repository: what Triton will serve.
        config_name: as for ``running_triton``.
        free_bytes: room in /dev/shm; None asks the system.

    Raises:
        ServerStartError: it does not; says how much is there and how to have more.
    """
    if free_bytes is None:
        status = os.statvfs(_SHM)
        free_bytes = status.f_bavail * status.f_frsize
    needed = sum(
        batch_bytes(read_config(path)) + REGION_BYTES
        for path in _configs(repository, config_name=config_name)
    )
    if needed > free_bytes:
        raise ServerStartError(
            f"{_SHM} has {free_bytes / 2**20:.0f} MB free, and one full batch of the models needs "
            f"{needed / 2**20:.0f} MB. Serve fewer models, or enlarge it: mount -o "
            f"remount,size=2G {_SHM}, or docker run --shm-size=2g"
        )


def batch_bytes(config: model_config_pb2.ModelConfig) -> int:
    """Bytes of the tensors of one full batch, for all instances of a model."""
    instances = sum(max(group.count, 1) for group in config.instance_group) or 1
    tensors = (*config.input, *config.output)
    one = sum(math.prod(tensor.dims) * _item_bytes(tensor.data_type) for tensor in tensors)
    return int(one * max(config.max_batch_size, 1) * instances)


def _item_bytes(data_type: int) -> int:
    name: str = model_config_pb2.DataType.Name(data_type)
    return _ITEM_BYTES.get(name.removeprefix("TYPE_"), 4)


def _configs(repository: Path, *, config_name: str | None) -> list[Path]:
    found = []
    for model in sorted(repository.iterdir()):
        named = model / "configs" / f"{config_name}.pbtxt"
        path = named if config_name and named.is_file() else model / "config.pbtxt"
        if path.is_file():
            found.append(path)
    return found
