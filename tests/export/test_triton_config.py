from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from i3d_client.contract import ModelContract
from i3d_export.profiles import load_profile, with_windows
from i3d_export.shipped_configs import write_shipped_configs
from i3d_export.triton_config import cpu_config, gpu_config, max_batch_size, max_queue_size

COMMITTED = Path(__file__).parents[2] / "model_repository"
CONTRACT = load_profile("kinetics400").contract


def parsed(text: str) -> triton.ModelConfig:
    return text_format.Parse(text, triton.ModelConfig())


def test_generating_the_committed_configurations_again_changes_nothing(tmp_path: Path) -> None:
    models = write_shipped_configs(tmp_path)
    assert sorted(folder.name for folder in models) == [
        f"{profile}_{precision}"
        for profile in ("homecage9", "kinetics400")
        for precision in ("fp16", "fp32", "int8")
    ]
    generated = {
        path.relative_to(tmp_path): path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert len(generated) == 3 * len(models)
    for path, text in generated.items():
        assert (COMMITTED / path).read_text() == text, (
            f"{path}: run python -m i3d_export.shipped_configs model_repository"
        )


def test_both_configurations_say_the_same_of_the_model() -> None:
    gpu = parsed(gpu_config("m", CONTRACT))
    cpu = parsed(cpu_config("m", CONTRACT, execution_precision="f32"))
    assert gpu.input == cpu.input
    assert gpu.output == cpu.output
    assert (gpu.max_batch_size, cpu.max_batch_size) == (8, 1)
    for config in (gpu, cpu):
        contract = ModelContract.from_json(config.parameters["i3d"].string_value)
        assert contract == CONTRACT
        assert list(config.input[0].dims) == [64, 224, 224, 3]
        assert [list(output.dims) for output in config.output] == [[1, 400], [1, 1024]]
        assert "i3d_build" not in config.parameters


def test_queues_have_priorities_without_which_batches_are_formed_ahead() -> None:
    """Triton drops what a client cancelled from a queue, not from a batch formed ahead."""
    for text in (gpu_config("m", CONTRACT), cpu_config("m", CONTRACT, execution_precision="f32")):
        assert parsed(text).dynamic_batching.priority_levels == 2


def test_each_configuration_names_its_engine() -> None:
    gpu = parsed(gpu_config("m", CONTRACT))
    cpu = parsed(cpu_config("m", CONTRACT, execution_precision="f32"))
    assert (gpu.platform, gpu.default_model_filename) == ("tensorrt_plan", "model.plan")
    assert [sample.batch_size for sample in gpu.model_warmup] == [1, 8]
    assert (cpu.backend, cpu.runtime) == ("openvino_cpu", "model.py")
    assert cpu.parameters["execution_precision"].string_value == "f32"


def test_every_batch_that_can_be_has_a_cuda_graph() -> None:
    for windows in (1, 32, 64):
        contract = with_windows(CONTRACT, stride=1, windows=windows)
        gpu = parsed(gpu_config("m", contract))
        graphs = gpu.optimization.cuda.graph_spec
        assert gpu.optimization.cuda.graphs
        assert [graph.batch_size for graph in graphs] == list(range(1, gpu.max_batch_size + 1))
        assert all(list(graph.input["FRAMES"].dim) == list(gpu.input[0].dims) for graph in graphs)


@pytest.mark.parametrize(("windows", "batch"), [(1, 8), (8, 8), (9, 7), (32, 2), (64, 1), (99, 1)])
def test_a_batch_holds_at_most_64_windows(windows: int, batch: int) -> None:
    contract = with_windows(CONTRACT, stride=1, windows=windows)
    assert max_batch_size(contract) == batch
    preferred = parsed(gpu_config("m", contract)).dynamic_batching.preferred_batch_size
    assert all(1 < size <= batch for size in preferred)
    assert len(set(preferred)) == len(preferred)


def test_queues_are_bounded_by_the_bytes_they_hold() -> None:
    request_bytes = 64 * 224 * 224 * 3
    assert max_queue_size(CONTRACT, 2) * request_bytes <= 2**30
    huge = with_windows(CONTRACT, stride=64, windows=1000)
    assert max_queue_size(huge, 1) == 16
    policies = parsed(gpu_config("m", CONTRACT)).dynamic_batching.priority_queue_policy
    assert sorted(policies) == [1, 2]
    assert all(policy.allow_timeout_override for policy in policies.values())
    assert all(policy.default_timeout_microseconds > 0 for policy in policies.values())
