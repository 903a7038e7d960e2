"""A small I3D-shaped network with fixed random weights, for tests of what runs around Triton.

Same tensors and same steps as an exported model (uint8 segment → float → windows → network →
probabilities and 1024 features), at a size that a CPU answers in about a millisecond.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc.model_config_pb2 import ModelConfig

from i3d_client.contract import ModelContract, Normalisation, Resize

CONTRACT = ModelContract(
    profile="tiny",
    height=64,
    width=32,
    colour="grey",
    clip_frames=16,
    stride=8,
    windows_per_segment=2,
    resize=Resize(rule="stretch"),
    normalisation=Normalisation(divide_by=127.5, add=-1.0),
    labels=("drink", "eat", "groom", "hang", "sniff"),
    label_frame="last",
    trained_fps=30.0,
)


def random_segments(count: int, *, contract: ModelContract = CONTRACT, seed: int = 0) -> np.ndarray:
    """``count`` different segments, (count, S, H, W, C), uint8."""
    generator = np.random.default_rng(seed)
    shape = (count, *contract.segment_shape)
    return generator.integers(0, 256, shape, dtype=np.uint8)


def tiny_onnx(contract: ModelContract = CONTRACT, *, seed: int = 7) -> onnx.ModelProto:
    """The network as ONNX, opset 17."""
    generator = np.random.default_rng(seed)
    constants: list[TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, values: object, dtype: type) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weights(name: str, *shape: int) -> str:
        fan_in = int(np.prod(shape[1:]))
        return constant(name, generator.normal(0, (2 / fan_in) ** 0.5, shape), np.float32)

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    c = contract
    starts = np.arange(c.windows_per_segment)[:, None] * c.stride
    x = node("Cast", ["FRAMES"], "float", to=TensorProto.FLOAT)
    x = node("Div", [x, constant("scale", c.normalisation.divide_by, np.float32)], "scaled")
    x = node("Add", [x, constant("shift", c.normalisation.add, np.float32)], "normalised")
    frames = constant("frames", starts + np.arange(c.clip_frames), np.int64)
    x = node("Gather", [x, frames], "windows", axis=1)  # (B, N, T, H, W, C)
    flat = [-1, c.clip_frames, *c.frame_shape]
    x = node("Reshape", [x, constant("flat", flat, np.int64)], "clips")
    x = node("Transpose", [x], "channels_first", perm=[0, 4, 1, 2, 3])
    x = node("Conv", [x, weights("w1", 16, c.channels, 3, 7, 7)], "c1", strides=[2, 2, 2])
    x = node("Relu", [x], "r1")
    x = node("Conv", [x, weights("w2", 48, 16, 3, 3, 3)], "c2", strides=[1, 2, 2])
    x = node("Relu", [x], "r2")
    x = node("Conv", [x, weights("w3", 1024, 48, 1, 1, 1)], "c3")
    x = node("Relu", [x], "r3")
    x = node("GlobalAveragePool", [x], "pooled")
    per_window = constant("per_window", [-1, c.windows_per_segment, 1024], np.int64)
    features = node("Reshape", [x, per_window], "FEATURES")
    logits = node("MatMul", [features, weights("head", 1024, len(c.labels))], "logits")
    node("Softmax", [logits], "PROBABILITIES", axis=-1)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("FRAMES", TensorProto.UINT8, ["B", *c.segment_shape])],
        [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, ["B", c.windows_per_segment, size]
            )
            for name, size in (("PROBABILITIES", len(c.labels)), ("FEATURES", 1024))
        ],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    return model


def cpu_config(
    name: str, contract: ModelContract = CONTRACT, *, max_batch_size: int = 4
) -> ModelConfig:
    """The ``configs/cpu.pbtxt`` of an exported model."""
    config = ModelConfig(
        name=name, backend="openvino_cpu", runtime="model.py", max_batch_size=max_batch_size
    )
    config.input.add(name="FRAMES", data_type="TYPE_UINT8", dims=contract.segment_shape)
    windows = contract.windows_per_segment
    for output, size in (("PROBABILITIES", len(contract.labels)), ("FEATURES", 1024)):
        config.output.add(name=output, data_type="TYPE_FP32", dims=(windows, size))
    config.dynamic_batching.max_queue_delay_microseconds = 20_000
    config.instance_group.add(count=1, kind="KIND_CPU")
    config.parameters["i3d"].string_value = contract.to_json()
    config.parameters["execution_precision"].string_value = "f32"
    return config


def write_tiny_model(
    repository: Path, name: str, contract: ModelContract = CONTRACT, *, max_batch_size: int = 4
) -> Path:
    """Write ``repository/name`` as export would; return its folder."""
    folder = repository / name
    (folder / "configs").mkdir(parents=True)
    (folder / "1").mkdir()
    config = text_format.MessageToString(cpu_config(name, contract, max_batch_size=max_batch_size))
    (folder / "configs" / "cpu.pbtxt").write_text(config)
    (folder / "config.pbtxt").write_text(config)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in contract.labels))
    graph = folder / "1" / "model.onnx"
    onnx.save(tiny_onnx(contract), graph)
    model = ov.convert_model(graph)
    ov.save_model(model, folder / "1" / "model.xml", compress_to_fp16=False)
    (folder / "1" / "build.json").write_text(json.dumps({"precision": "fp32"}))
    return folder
