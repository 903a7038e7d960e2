"""Labs that share one server, event by event: who gets which share, and how long requests queue.

What is modelled is what decides both: a client reads segments one after another, keeps so many
requests in flight and reads a few ahead; the gateway refuses a lab's requests past its cap, and
they are asked again a moment later; Triton has one queue, first in first out; each of the model's
instances takes up to a batch of it, as soon as it has none; the device computes one batch at a
time, and a set time for each request. A request that is given up leaves the queue, but not a batch.
Not modelled: the time of the network, delays of the batcher, and priorities.

Nothing here is measured. ``capacity_fairness`` compares it with what was.
"""

from __future__ import annotations

import heapq
import itertools
import random
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

# Segments that a client may have read and not yet asked for: its buffers are in flight + 3.
_AHEAD = 3
_JITTER = 0.1


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a lab wants of the server.

    Attributes:
        name: of the lab.
        in_flight: requests that its client has in flight, those that wait after a refusal included.
        cap: requests that the gateway lets it have at a time; None for no cap.
        read_s: that its client takes to read a segment, with all its cores; 0 for from memory.
        retry_s: from a refusal to the next attempt, about.
        patience_s: after which it gives up a request, and asks again at once; None for never.
        poisson_per_s: None for a client as above. Else requests come at this rate by chance,
            whatever is in flight, which is what queueing theory has formulas for.
    """

    name: str
    in_flight: int = 8
    cap: int | None = None
    read_s: float = 0.0
    retry_s: float = 0.05
    patience_s: float | None = None
    poisson_per_s: float | None = None


@dataclass(kw_only=True)
class Got:
    """What a lab got while it was counted.

    Attributes:
        answered, refused, given_up: requests.
        queued_s: of each answered request, from the gateway to the device.
        answer_s: of each answered request, from the gateway to its answer; refusals before that are
            not in it.
    """

    name: str
    counted_s: float
    answered: int = 0
    refused: int = 0
    given_up: int = 0
    queued_s: list[float] = field(default_factory=list)
    answer_s: list[float] = field(default_factory=list)

    @property
    def answered_per_s(self) -> float:
        """Requests."""
        return self.answered / self.counted_s

    @property
    def refused_per_s(self) -> float:
        """Requests."""
        return self.refused / self.counted_s

    @property
    def median_answer_s(self) -> float:
        """Median of ``answer_s``; 0 if there is none."""
        return statistics.median(self.answer_s) if self.answer_s else 0.0

    def queued_at_most_s(self, share: float) -> float:
        """Return how long at most so large a share of the answered requests queued."""
        ordered = sorted(self.queued_s) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def simulate(
    demands: Sequence[Demand],
    *,
    request_s: float,
    max_batch: int = 1,
    instances: int = 1,
    counted_s: float,
    warm_up_s: float = 0.0,
    seed: int = 0,
) -> list[Got]:
    """Let the labs work, and count when they have all been at it for a while.

    Args:
        demands: one a lab.
        request_s: that the device takes for a request; a batch takes its requests times this.
        max_batch: requests that an instance takes at a time.
        instances: of the model, on the one device.
        counted_s: for which it is counted what they get.
        warm_up_s: before that.
        seed: of what happens by chance.

    Returns:
        What each lab got, in the order of ``demands``.
    """
    simulation = _Simulation(
        demands,
        request_s=request_s,
        max_batch=max_batch,
        instances=instances,
        random_=random.Random(seed),  # noqa: S311
    )
    return simulation.run(warm_up_s=warm_up_s, counted_s=counted_s)


@dataclass(kw_only=True)
class _Lab:
    """A lab's client as it stands.

    Attributes:
        read: segments that wait for a place in flight.
        asked: requests in flight, as the client counts.
        admitted: of these, past the gateway.
    """

    demand: Demand
    got: Got
    reading: bool = False
    read: int = 0
    asked: int = 0
    admitted: int = 0


@dataclass(kw_only=True)
class _Request:
    lab: _Lab
    admitted_at: float = 0.0
    begun_at: float = 0.0
    ended: bool = False


class _Simulation:
    def __init__(
        self,
        demands: Sequence[Demand],
        *,
        request_s: float,
        max_batch: int,
        instances: int,
        random_: random.Random,
    ) -> None:
        self._labs = [
            _Lab(demand=demand, got=Got(name=demand.name, counted_s=0.0)) for demand in demands
        ]
        self._request_s = request_s
        self._max_batch = max_batch
        self._random = random_
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._queue: deque[_Request] = deque()
        self._free_instances = instances
        self._taken: deque[list[_Request]] = deque()  # batches; the device is at the first
        self._computing = False

    def run(self, *, warm_up_s: float, counted_s: float) -> list[Got]:
        """Run to the end of both times."""
        for lab in self._labs:
            if lab.demand.poisson_per_s is None:
                self._go_on(lab)
            else:
                self._after(self._until_next(lab), partial(self._arrive, lab))
        self._run_until(warm_up_s)
        for lab in self._labs:
            lab.got = Got(name=lab.demand.name, counted_s=counted_s)
        self._run_until(warm_up_s + counted_s)
        return [lab.got for lab in self._labs]

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._order), action))

    def _run_until(self, end: float) -> None:
        while self._events and self._events[0][0] <= end:
            self._now, _, action = heapq.heappop(self._events)
            action()
        self._now = end

    def _until_next(self, lab: _Lab) -> float:
        return self._random.expovariate(lab.demand.poisson_per_s or 1.0)

    def _arrive(self, lab: _Lab) -> None:
        self._after(self._until_next(lab), partial(self._arrive, lab))
        lab.asked += 1
        self._ask(_Request(lab=lab))

    def _go_on(self, lab: _Lab) -> None:
        """Ask for what was read, and read what there is a buffer for."""
        demand = lab.demand
        while lab.read and lab.asked < demand.in_flight:
            lab.read -= 1
            lab.asked += 1
            self._ask(_Request(lab=lab))
        if not lab.reading and lab.read + lab.asked < demand.in_flight + _AHEAD:
            lab.reading = True
            self._after(demand.read_s, partial(self._has_read, lab))

    def _has_read(self, lab: _Lab) -> None:
        lab.reading = False
        lab.read += 1
        self._go_on(lab)

    def _ask(self, request: _Request) -> None:
        lab, demand = request.lab, request.lab.demand
        if demand.cap is not None and lab.admitted >= demand.cap:
            lab.got.refused += 1
            retry_s = demand.retry_s * self._random.uniform(1 - _JITTER, 1 + _JITTER)
            self._after(retry_s, partial(self._ask, request))
            return
        lab.admitted += 1
        request.admitted_at = self._now
        self._queue.append(request)
        if demand.patience_s is not None:
            self._after(demand.patience_s, partial(self._give_up, request))
        self._take()

    def _give_up(self, request: _Request) -> None:
        if request.ended:
            return
        request.ended = True
        request.lab.admitted -= 1
        request.lab.got.given_up += 1
        self._ask(_Request(lab=request.lab))

    def _take(self) -> None:
        """Let instances that have nothing take a batch, and the device begin with the first."""
        while self._free_instances:
            batch: list[_Request] = []
            while self._queue and len(batch) < self._max_batch:
                request = self._queue.popleft()
                if not request.ended:
                    batch.append(request)
            if not batch:
                break
            self._free_instances -= 1
            self._taken.append(batch)
        if self._taken and not self._computing:
            self._computing = True
            for request in self._taken[0]:
                request.begun_at = self._now
            self._after(len(self._taken[0]) * self._request_s, self._answer)

    def _answer(self) -> None:
        answered = [request for request in self._taken.popleft() if not request.ended]
        self._computing = False
        self._free_instances += 1
        for request in answered:
            request.ended = True
            lab, got = request.lab, request.lab.got
            lab.admitted -= 1
            lab.asked -= 1
            got.answered += 1
            got.queued_s.append(request.begun_at - request.admitted_at)
            got.answer_s.append(self._now - request.admitted_at)
        self._take()
        for request in answered:
            if request.lab.demand.poisson_per_s is None:
                self._go_on(request.lab)
