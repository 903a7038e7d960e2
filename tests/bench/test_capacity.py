"""The planning model: its formulas, its answer about cores, and figures that were measured here."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_bench.bench.capacity import (
    PIPELINES,
    Calibration,
    Place,
    Rates,
    Reading,
    cores_to_fill_the_device,
    predict,
)
from i3d_bench.bench.capacity_simulation import Demand, simulate

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

seconds = st.floats(1e-5, 1e-2)


def rates(
    *, serial_s: float = 0, read_s: float, device_s: float, wire_s: float | None, shared: int | None
) -> Rates:
    return Rates(
        reading=Reading(serial_s=serial_s, parallel_s=read_s, cores_measured=(1,)),
        device_s={"int8": device_s},
        wire_s=wire_s,
        memory_s=None,
        shared_cores=shared,
    )


def test_what_overlaps_and_what_comes_in_turn() -> None:
    model = rates(read_s=0.008, device_s=0.003, wire_s=0.001, shared=None)
    place = Place(cores=4)
    found = {name: predict(name, "int8", place=place, rates=model) for name in PIPELINES}
    assert found["synchronous"].frame_s == pytest.approx(0.008 + 0.001 + 0.003)
    assert found["parallel"].frame_s == pytest.approx(0.002 + 0.001 + 0.003)
    assert found["asynchronous"].frame_s == pytest.approx(0.003)
    assert found["asynchronous"].limit == "device"
    assert found["synchronous"].device_busy == pytest.approx(0.25)
    assert found["asynchronous"].device_busy == 1
    slow = predict("asynchronous", "int8", place=Place(cores=2), rates=model)
    assert (slow.limit, slow.frame_s) == ("reading", pytest.approx(0.004))


def test_cores_that_compute_both_gain_nothing_from_overlap_that_they_do_not_have() -> None:
    model = rates(read_s=0.008, device_s=0.003, wire_s=None, shared=4)
    both = predict("asynchronous", "int8", place=Place(cores=4), rates=model)
    assert (both.limit, both.frame_s) == ("processor", pytest.approx(0.003 + 0.008 / 4))
    larger = predict("asynchronous", "int8", place=Place(cores=8, machine_cores=8), rates=model)
    assert larger.frame_s == pytest.approx(both.frame_s / 2)


def test_on_one_machine_the_asynchronous_pipeline_takes_shared_memory() -> None:
    model = replace(rates(read_s=0.001, device_s=0.002, wire_s=0.004, shared=None), memory_s=0.0005)
    place = Place(cores=1)
    ahead = predict("asynchronous", "int8", place=place, rates=model)
    assert (ahead.limit, ahead.frame_s) == ("device", pytest.approx(0.002))
    in_turn = predict("synchronous", "int8", place=place, rates=model)
    assert in_turn.frame_s == pytest.approx(0.001 + 0.004 + 0.002)


def test_calibration_acts_on_its_own_pipelines() -> None:
    model = rates(read_s=0.008, device_s=0.003, wire_s=0.001, shared=None)
    calibration = Calibration(reader=2, in_turn=3, start_s=5, overhead=1.1)
    place = Place(cores=4)
    ahead = predict("asynchronous", "int8", place=place, rates=model, calibration=calibration)
    assert ahead.seconds(1000) == pytest.approx(5 + 1000 * 0.003 * 1.1)
    in_turn = predict("parallel", "int8", place=place, rates=model, calibration=calibration)
    assert in_turn.seconds(1000) == pytest.approx(1000 * (2 * 0.002 + 3 * 0.004))


@given(read=seconds, device=seconds, wire=seconds, cores=st.integers(1, 16), shared=st.booleans())
def test_what_overlaps_more_is_never_slower(
    read: float, device: float, wire: float, cores: int, shared: bool
) -> None:
    model = rates(read_s=read, device_s=device, wire_s=wire, shared=16 if shared else None)
    synchronous, parallel, asynchronous = (
        predict(name, "int8", place=Place(cores=cores), rates=model).frame_s for name in PIPELINES
    )
    slack = 1 + 1e-9
    assert asynchronous <= parallel * slack
    assert parallel <= synchronous * slack


@given(read=seconds, serial=st.floats(0, 1e-4), device=seconds, clients=st.integers(1, 8))
def test_the_device_is_the_limit_with_so_many_cores_and_not_with_one_less(
    read: float, serial: float, device: float, clients: int
) -> None:
    model = rates(serial_s=serial, read_s=read, device_s=device, wire_s=None, shared=None)
    cores = cores_to_fill_the_device("int8", clients=clients, network_s=None, rates=model)
    if isinstance(cores, str):
        assert serial >= device * clients
        return

    def rate(number: int) -> float:
        place = Place(cores=number, clients=clients)
        return predict("asynchronous", "int8", place=place, rates=model).frame_s

    assert rate(cores) <= device * (1 + 1e-8)
    assert cores == 1 or rate(cores - 1) > device


def test_why_no_number_of_cores_keeps_the_device_busy() -> None:
    def say(
        *, serial_s: float = 0, wire_s: float = 0, network_s: float = 0, shared: int | None = None
    ) -> int | str:
        model = rates(serial_s=serial_s, read_s=0.01, device_s=0.001, wire_s=wire_s, shared=shared)
        return cores_to_fill_the_device("int8", clients=1, network_s=network_s, rates=model)

    assert say() == 10
    assert say(wire_s=0.002) == "none: the wire is slower than the device"
    assert say(network_s=0.002) == "none: the network is slower than the device"
    assert say(serial_s=0.002) == "none: reading does not get that fast"
    assert say(shared=4) == "the device is these cores"


@pytest.mark.parametrize("device_s", [0.001, 0.004, 0.016])
@pytest.mark.parametrize(("labs", "cores"), [(1, 1), (1, 4), (3, 2)])
def test_the_formula_is_what_clients_do_event_by_event(
    device_s: float, labs: int, cores: int
) -> None:
    model = rates(read_s=0.008, device_s=device_s, wire_s=None, shared=None)
    place = Place(cores=cores, clients=labs)
    predicted = predict("asynchronous", "int8", place=place, rates=model)
    clients = [Demand(name="lab", in_flight=4, read_s=0.008 / cores) for _ in range(labs)]
    got = simulate(clients, request_s=device_s, counted_s=100, warm_up_s=1)
    assert sum(lab.answered_per_s for lab in got) == pytest.approx(1 / predicted.frame_s, rel=0.01)


def test_the_client_beside_a_simulated_accelerator_takes_what_the_bounds_say() -> None:
    measured = json.loads((RESULTS / "overlap.json").read_text())
    for setting in measured["settings"].values():
        times = {name: sum(all_) / len(all_) for name, all_ in setting["seconds"].items()}
        model = rates(
            read_s=times["decoding_alone"],
            device_s=times["inference_alone"],
            wire_s=None,
            shared=None,
        )
        predicted = predict("asynchronous", "int8", place=Place(cores=1), rates=model)
        assert predicted.seconds(1) == pytest.approx(times["i3d_classify"], rel=0.1)
    naive = measured["naive"]
    model = rates(
        read_s=naive["decoding_alone_seconds"],
        device_s=naive["inference_alone_seconds"],
        wire_s=None,
        shared=None,
    )
    in_turn = predict("synchronous", "int8", place=Place(cores=1), rates=model)
    ahead = predict("asynchronous", "int8", place=Place(cores=1), rates=model)
    # In turn, a request is a copy here, a copy there and a wake-up too, which the bounds hide.
    assert in_turn.seconds(1) == pytest.approx(naive["seconds"], rel=0.25)
    assert ahead.seconds(1) < 0.6 * naive["seconds"]


def test_the_client_on_the_cores_that_infer_takes_what_the_bounds_say() -> None:
    measured = json.loads((RESULTS / "pipelines.json").read_text())
    bound = measured["bound"]
    model = rates(
        read_s=bound["decoding_processor_seconds"],
        device_s=bound["engine_alone_seconds"],
        wire_s=None,
        shared=bound["cores"],
    )
    predicted = predict("asynchronous", "int8", place=Place(cores=bound["cores"]), rates=model)
    assert predicted.limit == "processor"
    assert predicted.seconds(1) == pytest.approx(measured["seconds"]["int8"]["median"], rel=0.1)
