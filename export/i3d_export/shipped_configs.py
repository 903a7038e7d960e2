"""The configurations that are committed: every shipped profile at every precision.

python -m i3d_export.shipped_configs model_repository
"""

from __future__ import annotations

import sys
from pathlib import Path

from i3d_export.export import model_name
from i3d_export.precision import OPENVINO_EXECUTION, PRECISIONS
from i3d_export.profiles import load_profile, shipped_profiles
from i3d_export.repository import write_configs


def write_shipped_configs(repository: Path) -> list[Path]:
    """Write them into ``repository`` and return the models' folders."""
    folders = []
    for profile in shipped_profiles():
        contract = load_profile(profile).contract
        for precision in PRECISIONS:
            folder = repository / model_name(profile, precision)
            write_configs(folder, contract, execution_precision=OPENVINO_EXECUTION[precision])
            folders.append(folder)
    return folders


if __name__ == "__main__":
    write_shipped_configs(Path(sys.argv[1]))
