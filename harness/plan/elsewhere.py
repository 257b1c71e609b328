"""Which other dataset a stage is trained on (``Stage(on="other")``), and on whom of it.

What always holds: it is never a dataset that the setting trains or tests on, nor one that the stage
above was already kept apart from; nobody who is in one of those datasets is trained on, under
either of two names; all settings that rule out the same datasets share one split, so one training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.data.sources import DatasetSource
from harness.errors import UserError
from harness.method import Stage
from harness.plan.jobs import digest
from harness.plan.resolve import ResolvedMethod, ResolvedSetting, ResolvedStage, group_of
from harness.protocol import other_dataset_split
from harness.suite.load import LoadedSuite


class NoOtherDatasetError(Exception):
    """There is no other dataset that the stage may be trained on; the message says why."""


class Grounds:
    """On what each stage is trained; each question is answered once."""

    def __init__(self, suite: LoadedSuite, sources: Mapping[str, DatasetSource]) -> None:
        self._suite, self._sources = suite, sources
        self._answers: dict[tuple[Any, ...], ResolvedSetting | str] = {}

    def of(self, setting: ResolvedSetting, stage: ResolvedStage) -> ResolvedSetting:
        """The setting that a stage is trained in: ``setting`` itself, or one elsewhere.

        Raises:
            NoOtherDatasetError, UserError: as ``elsewhere``.
        """
        if stage.asked.on == "train":
            return setting
        own = (setting.train, setting.test, setting.apart_from)
        question = (own, setting.aus, stage.asked.dataset)
        if question not in self._answers:
            try:
                self._answers[question] = elsewhere(
                    self._suite, self._sources, setting, stage.asked
                )
            except NoOtherDatasetError as error:
                self._answers[question] = str(error)
        answer = self._answers[question]
        if isinstance(answer, ResolvedSetting):
            return answer
        if stage.asked.fallback:
            return setting
        raise NoOtherDatasetError(answer)

    def check(self, row: ResolvedMethod, setting: ResolvedSetting) -> None:
        """Raises, as ``of``, if a stage of the row, at any depth, cannot be trained."""
        for stage in row.stages.values():
            self.check(stage.row, self.of(setting, stage))


def elsewhere(
    suite: LoadedSuite,
    sources: Mapping[str, DatasetSource],
    setting: ResolvedSetting,
    asked: Stage,
) -> ResolvedSetting:
    """The setting in which the stage is trained: one split, whose test part is empty.

    Raises:
        NoOtherDatasetError: where no other dataset may be used.
        UserError: where several could be, and the stage does not say which.
    """
    own = list(dict.fromkeys([setting.train, setting.test, *setting.apart_from]))
    other = _chosen(list(sources), own, asked.dataset)
    aus = tuple(au for au in setting.aus if au in sources[other].table.aus)
    if not aus:
        raise NoOtherDatasetError(f"{other} has labels for none of the setting's AUs")
    try:
        split = other_dataset_split(
            sources[other].table,
            [sources[name].table for name in own],
            seed=suite.spec.split_seed,
            validation_share=suite.spec.validation_share,
            group_of=group_of(suite, other, sources[other]),
        )
    except UserError as error:
        raise NoOtherDatasetError(f"{other} cannot be trained on: {error}") from error
    return ResolvedSetting(
        title=f"all of {other}",
        train=other,
        test=other,
        protocol=split.protocol,
        aus=aus,
        splits={digest("other", other, asdict(split)): split},
        apart_from=tuple(own),
    )


def _chosen(datasets: list[str], own: list[str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted in own:
            raise NoOtherDatasetError(f"{wanted} is a dataset that it trains or tests on itself")
        return wanted
    left = [name for name in datasets if name not in own]
    if not left:
        raise NoOtherDatasetError(
            f"it needs a network that was trained on another dataset than {' and '.join(own)}, "
            "and the suite has none"
        )
    if len(left) > 1:
        raise UserError(
            f"it needs a network that was trained on another dataset than {' and '.join(own)}, "
            f"and the suite has several ({', '.join(left)}): name one in its options"
        )
    return left[0]
