"""What the benchmarks of memory and wire measure with, and the figure that they guard."""

import asyncio
import subprocess
import sys

from tests.conftest import MakeVideo

from i3d_bench import wire
from i3d_bench.memory import Watch
from i3d_bench.simulated_accelerator import simulated_accelerator
from i3d_export.profiles import load_profile

# Own memory in two processes, and 20 MB that both of them share.
PROGRAM = """
import mmap, os, sys
shared = mmap.mmap(-1, 20_000_000)
shared.write(bytes(20_000_000))
own = bytearray(os.urandom(1_000_000)) * 30
if os.fork():
    print("ready", flush=True)
else:
    more = bytearray(os.urandom(1_000_000)) * 40
sys.stdin.read()
"""


def test_the_memory_of_a_process_and_its_children_is_added_up() -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # both end when their standard input does
        watch = Watch(process.pid)
        for _ in range(200):
            watch.sample()
            if watch.highest.mb("own") > 70:
                break
        [child] = [name for name in watch.highest.processes if name != "parent"]
    # What was forked is shared until it is written to, and counts once.
    assert 70 <= watch.highest.mb("own") < 90
    assert 20 <= watch.highest.mb("shared") < 21
    assert watch.peaks_mb()["parent"] >= 50
    assert watch.peaks_mb()[child] >= 40


def test_a_frame_crosses_the_network_about_once_and_a_half(make_video: MakeVideo) -> None:
    contract = load_profile("homecage9").contract
    video = make_video(250, width=64, height=48)
    with simulated_accelerator(contract=contract, seconds_per_window=0) as server:
        figures = asyncio.run(wire.bytes_of(video, server=server, contract=contract))
    segments = -(-(250 - contract.clip_frames + 1) // contract.windows_per_segment)
    frames = segments * contract.segment_frames * figures["frame_bytes"]
    assert frames < figures["bytes_sent"] < 1.01 * frames
    assert figures["sent_over_frame"] <= wire.ALLOWED
