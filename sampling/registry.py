"""Batch strategies by name, for whoever reads the name from a file."""

from __future__ import annotations

import inspect
from typing import Any

from numpy.typing import ArrayLike

from sampling.batches import Batches
from sampling.class_aware import ClassAwareBatches
from sampling.momu import MomuBatches
from sampling.random_batches import RandomBatches
from sampling.resampled_batches import ResampledBatches
from sampling.resampling import RESAMPLERS
from sampling.stratified import StratifiedBatches
from sampling.weighted import WeightedBatches

_STREAMS: dict[str, type[Batches]] = {
    stream.strategy: stream
    for stream in (
        RandomBatches,
        StratifiedBatches,
        MomuBatches,
        ClassAwareBatches,
        WeightedBatches,
    )
}
STRATEGIES: tuple[str, ...] = (*_STREAMS, *RESAMPLERS)


def make_batches(
    strategy: str, labels: ArrayLike, batch_size: int, seed: int = 0, **options: Any
) -> Batches:
    """The stream of a strategy: one of ``STRATEGIES``; a resampler's name gives random batches of
    the dataset that it resampled.

    Args:
        labels: (N, L) in {-1 absent, 0 unknown, +1 present}.
        batch_size, seed: as of ``Batches``; ``options`` are those of the strategy.

    Raises:
        ValueError: no such strategy, no such option of it, or a value outside its range; the
            message lists what there is.
    """
    if strategy in RESAMPLERS:
        stream: type[Batches] = ResampledBatches
    elif strategy in _STREAMS:
        stream = _STREAMS[strategy]
    else:
        raise ValueError(
            f"there is no sampling strategy {strategy!r}; choose one of {', '.join(STRATEGIES)}"
        )
    known = [
        name
        for name, parameter in inspect.signature(stream.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name != "resampler"
    ]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"sampling strategy {strategy!r} has no option {', '.join(unknown)}; "
            f"it has {', '.join(known)}"
        )
    if stream is ResampledBatches:
        options["resampler"] = strategy
    return stream(labels, batch_size, seed, **options)
