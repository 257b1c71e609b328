"""The contract between the harness and a study: frames in, numbers and arrays for a report out.

A study looks at features or at trained networks; it fills no cell and is in no ranking. It runs as
a job of the run, so that a report, which trains nothing and loads no network, only draws it.

Which frames a study is given, **with their labels**:

- all frames of its setting's test dataset, if none of the stages that it asks for was trained on
  that dataset (or it asks for none). Nothing was fitted to those people, so nothing needs to be
  held back, and the embedding of a feature shows the dataset as it is;
- else the test part of the setting's first fold: people whom no network of the study has seen.

The engine checks it: a study whose networks have seen one of its people is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from harness.data.frames import FrameSet
from harness.method import Context, Feature, Needs, Options, Stage


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What a study found.

    Attributes:
        values: anything that JSON can hold; it becomes ``study.json``.
        arrays: of any shape, by name (letters, digits, ``-_/``), no objects; they become
            ``study.npz``.
    """

    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


class Study:
    """Base class of studies. A subclass gives ``study``, and overrides what else it needs.

    Class attributes:
        Options: the pydantic model of its options.
        code_version: bumped by its author whenever the same inputs would give another result.
    """

    Options: ClassVar[type[BaseModel]] = Options
    code_version: ClassVar[int] = 1

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    def features(self) -> tuple[Feature, ...]:
        """Features that it reads; those that methods read too are extracted once."""
        return ()

    def stages(self) -> Mapping[str, Stage]:
        """Trained parts that it looks at; those that methods train too are trained once."""
        return {}

    def needs(self) -> Needs:
        """What its job asks of the cluster; a study is one process."""
        return Needs()

    def study(self, frames: FrameSet, context: Context) -> StudyResult:
        """Looks at ``frames`` (see the module), and at the stages by ``context.stage``."""
        raise NotImplementedError
