"""The paper's pipelines in TensorFlow, as the bench runs them: whether it can, and one run.

They need the extra ``export`` and the model's variables, which an export leaves in its cache on the
machine where it ran. They compute on the client's own cores, without a server, at FP32.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from pathlib import Path

from i3d_bench.bench.pipeline_run import Outcome, Run
from i3d_client.contract import ModelContract
from i3d_client.triton import Model

PREFIX = "tf_"
PRECISION = "fp32"


def find_variables(model: Model, contract: ModelContract) -> Path:
    """Return the variables that a model was exported from, by the checksum that it reports.

    Raises:
        LookupError: they are not on this machine, or TensorFlow is not; says what to do.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise LookupError("TensorFlow is not installed: pip install 'i3d-triton[export]'")
    from i3d_export.stage_cache import RECORD, cache_folder
    from i3d_export.stages import VARIABLES

    wanted = {
        "checkpoint_sha256": model.build.get("checkpoint_sha256"),
        "classes": len(contract.labels),
        "head": model.build.get("head"),
    }
    for record in sorted((cache_folder() / "stages" / "variables").glob(f"*/{RECORD}")):
        figures = json.loads(record.read_text())["figures"]
        if {key: figures.get(key) for key in wanted} == wanted:
            return record.with_name(VARIABLES)
    raise LookupError(
        f"the variables of {model.name} are not on this machine: they are where `i3d export` ran"
    )


def prepare(contract: ModelContract, variables: Path, batch: int) -> None:
    """Load and trace the network in this process.

    Args:
        contract: of the model.
        variables: as ``find_variables`` gives them.
        batch: windows at a time.
    """
    # TensorFlow's default only on processors with AVX-512 VNNI or later: several times faster.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    from i3d_bench import paper_pipelines

    paper_pipelines.load(contract, variables, (batch,))


def run_tensorflow(pipeline: str, run: Run) -> Outcome:
    """Run ``tf_synchronous``, ``tf_parallel`` or ``tf_asynchronous``; ``prepare`` came before."""
    from i3d_bench import paper_pipelines

    (name,) = [name for name in paper_pipelines.PIPELINES if f"{PREFIX}{name}" == pipeline]
    subject = run.subject
    processor_s = time.process_time()
    done = paper_pipelines.run(
        name,
        subject.video,
        batch=run.batch_segments * subject.contract.windows_per_segment,
        windows=subject.windows,
        decoder_threads=1,
    )
    return Outcome(
        begun_ns=done.begun_ns,
        seconds=done.seconds,
        processor_s=time.process_time() - processor_s,
        probabilities=done.probabilities,
        intervals=done.intervals if run.traced else [],
    )
