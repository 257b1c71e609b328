"""What the trials of one fold are told: data, subjects, options, and the trained stages they share.

What always holds: a task names nobody who is tested, and its hash with a choice of options is made
of everything that can change the trial's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.plan.jobs import digest
from harness.plan.resolve import ResolvedMethod, ResolvedStage, method_with
from harness.protocol import Split
from harness.search.records import SEARCH_VERSION
from harness.search.space import Dimension, with_choice


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """Everything that the trials of one fold are told, but for the options that each is to try.

    Attributes:
        search: key of the search; ``run_folder`` where it leaves its records.
        row, path, options: the row of the suite, its method, and its options as the suite has them.
        dimensions: what is searched.
        metric, mode: what is to be large or small.
        epochs, seconds: where a trial ends at the latest.
        setting, fold, fold_position: where it is searched, for the records.
        dataset, identity, aus, split, seed: what it is trained and measured on; ``split`` has no
            test part.
        stages: folder of the trained model, by the identity of each stage that all trials share.
        threads, device: what it computes on.
    """

    search: str
    run_folder: Path
    row: str
    path: str
    options: Mapping[str, Any]
    dimensions: tuple[Dimension, ...]
    metric: str
    mode: str
    epochs: int | None
    seconds: float | None
    setting: str
    fold: str
    fold_position: int
    dataset: str
    identity: str
    aus: tuple[int, ...]
    split: Split
    seed: int
    stages: Mapping[str, str]
    threads: int
    device: str

    def __post_init__(self) -> None:
        assert not self.split.test, "a trial must not be told who is tested"

    def method(self, chosen: Mapping[str, Any]) -> ResolvedMethod:
        """The method with the chosen options, its stages and features."""
        return method_with(self.row, self.path, with_choice(self.options, self.dimensions, chosen))

    def key(self, method: ResolvedMethod) -> str:
        """Hash of everything that can change a trial's result."""
        return digest(
            "trial",
            SEARCH_VERSION,
            stage_identity(method),
            {identity: Path(folder).parent.name for identity, folder in self.stages.items()},
            [self.identity, self.split.train, self.split.validation],
            list(self.aus),
            self.seed,
            [self.metric, self.mode, self.epochs, self.seconds],
        )


def stage_identity(method: ResolvedMethod, stage: ResolvedStage | None = None) -> str:
    """What a method is apart from what it is trained on: two that agree in it share a training."""
    inner = {name: stage_identity(s.row, s) for name, s in method.stages.items()}
    ground = [stage.asked.on, stage.asked.dataset] if stage else []
    return digest(method.path, method.code_version, method.options, method.stored, inner, ground)


def split_without_test(split: Split) -> Split:
    """A split of which nobody is told who is tested."""
    return Split(**{**asdict(split), "test": ()})
