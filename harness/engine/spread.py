"""Spreading one function over many tasks on Ray: the map that dataset preparation is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import ray


def spread(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterable[Any]:
    """Applies ``function`` to each task on one CPU each; gives results as they come, in any order.

    Twice as many tasks are in flight as there are CPUs, so memory does not grow with their number.
    What a task raises is raised here, as itself.
    """
    remote = ray.remote(_one_task).options(num_cpus=1, max_retries=2)
    shared = ray.put(function)
    bound = max(2, int(2 * ray.cluster_resources().get("CPU", 1)))
    return _as_they_come(remote, shared, tasks, bound)


def _as_they_come(remote: Any, shared: Any, tasks: Sequence[Any], bound: int) -> Iterator[Any]:
    waiting = iter(tasks)
    in_flight: set[Any] = set()
    exhausted = False
    while True:
        while not exhausted and len(in_flight) < bound:
            try:
                in_flight.add(remote.remote(shared, next(waiting)))
            except StopIteration:
                exhausted = True
        if not in_flight:
            return
        finished, _ = ray.wait(list(in_flight), num_returns=1)
        for reference in finished:
            in_flight.discard(reference)
            try:
                result = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause or error from None
            yield result


def _one_task(function: Callable[[Any], Any], task: Any) -> Any:
    from harness.threads import limited_threads

    with limited_threads(1):
        return function(task)
