"""What a precision was executed in comes from the build document and the server's processor."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bench.invented_results import invented_results

from i3d_bench.bench.errors import BenchError
from i3d_bench.bench.executed import (
    Processor,
    add_executed,
    executed_entry,
    executed_text,
    is_halved,
    this_processor,
)
from i3d_bench.machine import machine_facts

WITH_FP16 = Processor(name="one (FP16,FP32)", capabilities=("FP32", "BF16", "FP16", "INT8"))
WITHOUT = Processor(name="another (FP32)", capabilities=("FP32", "INT8"))


def openvino_build(precision: str) -> dict[str, Any]:
    """As an export on a processor with FP16 writes it."""
    executed = {
        "fp16": {"execution_precision": "f16", "layers": {"f16": 58}},
        "int8": {"execution_precision": "f32", "layers": {"f32": 1, "u8": 57}},
    }
    engine: dict[str, Any] = {"execution_precision": "f16,bf16,f32" if "16" in precision else "f32"}
    if precision in executed:
        engine["executed_at_export"] = {**executed[precision], "processor": WITH_FP16.name}
    return {"precision": precision, "engines": {"openvino": engine}}


def said(precision: str, processor: Processor | None) -> str:
    entry = executed_entry(openvino_build(precision), engine="openvino", processor=processor)
    return executed_text(precision, json.loads(json.dumps(entry)))


@pytest.mark.parametrize(
    ("precision", "processor", "text"),
    [
        ("fp32", WITHOUT, "f32"),
        ("fp16", WITH_FP16, "f16"),
        ("fp16", WITHOUT, "f32, weights kept in f16"),
        ("fp16", None, "f16 (at export)"),
        ("int8", WITH_FP16, "u8 in 57, f32 in 1 layers"),
        ("int8", WITHOUT, "u8 in 57, f32 in 1 layers (at export, another processor)"),
        ("int8", None, "u8 in 57, f32 in 1 layers (at export)"),
    ],
)
def test_the_servers_processor_decides(
    precision: str, processor: Processor | None, text: str
) -> None:
    assert said(precision, processor) == text


def test_an_fp16_graph_executed_in_fp32_is_halved_and_nothing_else_is() -> None:
    def halved(precision: str, processor: Processor) -> bool:
        entry = executed_entry(openvino_build(precision), engine="openvino", processor=processor)
        return is_halved(precision, entry)

    assert halved("fp16", WITHOUT)
    assert not halved("fp16", WITH_FP16)
    assert not halved("int8", WITHOUT)
    assert not halved("fp32", WITHOUT)


def test_a_plan_is_executed_as_its_graph_is_typed() -> None:
    entry = executed_entry({"precision": "fp16"}, engine="tensorrt", processor=None)
    assert executed_text("fp16", entry) == "fp16, tensorrt"
    assert not is_halved("fp16", entry)


@pytest.mark.parametrize("engine", ["openvino", "tensorrt"])
def test_what_the_build_does_not_say_is_not_made_up(engine: str) -> None:
    entry = executed_entry({}, engine=engine, processor=WITH_FP16)
    assert entry is None
    assert executed_text("fp16", entry) == "not recorded"


def written(tmp_path: Path, **machine: Any) -> Path:
    document = invented_results()
    document["machine"] |= {"cpu": machine_facts()["cpu"], **machine}
    document["server"] |= {"embedded": True, "engines": {"fp16": "openvino", "int8": "openvino"}}
    for precision in ("fp16", "int8"):
        folder = tmp_path / "models" / f"invented_{precision}" / "1"
        folder.mkdir(parents=True)
        (folder / "build.json").write_text(json.dumps(openvino_build(precision)))
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(document))
    return path


def test_a_bench_of_before_gets_what_its_machine_executes(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = json.loads(path.read_text())
    add_executed(path, repository=tmp_path / "models")
    after = json.loads(path.read_text())
    executed = after["server"].pop("executed")
    assert after == before
    has = this_processor().capabilities
    expected = "f16" if "FP16" in has else "bf16" if "BF16" in has else "f32"
    assert executed["fp16"]["precision"] == expected
    assert executed["int8"]["layers"] == {"f32": 1, "u8": 57}


def test_on_another_machine_nothing_is_added(tmp_path: Path) -> None:
    path = written(tmp_path, cpu="INVENTED")
    before = path.read_bytes()
    with pytest.raises(BenchError, match="got INVENTED"):
        add_executed(path, repository=tmp_path / "models")
    assert path.read_bytes() == before


def test_without_a_build_document_nothing_is_added(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(BenchError, match=r"invented_fp16/1/build\.json: expected"):
        add_executed(path, repository=tmp_path / "elsewhere")
