"""Runs of ``i3d bench`` in this process, with models as an export leaves them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import openvino as ov
from click.testing import CliRunner, Result
from tests.server.tiny_network import CONTRACT, tiny_onnx, write_tiny_model

from i3d_bench.bench.bench_cli import bench

LAYERS = {"f32": 1, "u8": 3}


def i3d_bench(*arguments: object) -> Result:
    return CliRunner().invoke(bench, [str(argument) for argument in arguments])


def read(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "bench.json").read_text())
    return document


def write_models(repository: Path, *, int8_seed: int = 7) -> Path:
    """``tiny_fp32``, and a ``tiny_int8`` with the same answers unless the seed is another.

    The latter's build document says what an export on another processor has read back.
    """
    write_tiny_model(repository, "tiny_fp32")
    folder = write_tiny_model(repository, "tiny_int8") / "1"
    onnx.save(tiny_onnx(CONTRACT, seed=int8_seed), folder / "model.onnx")
    model = ov.convert_model(folder / "model.onnx")
    ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    at_export = {"execution_precision": "f32", "layers": LAYERS, "processor": "INVENTED"}
    engine = {"execution_precision": "f32", "executed_at_export": at_export}
    build = {"precision": "int8", "engines": {"openvino": engine}}
    (folder / "build.json").write_text(json.dumps(build))
    return repository


def chosen(
    entries: list[dict[str, Any]],
    keep: Callable[[dict[str, Any]], bool] = lambda _: True,
    **is_: Any,
) -> list[dict[str, Any]]:
    """Entries whose fields are so."""
    return [
        one for one in entries if keep(one) and all(one[key] == value for key, value in is_.items())
    ]
