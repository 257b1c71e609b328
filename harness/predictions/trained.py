"""A trained model of a run, taken out of it: what it saw, and what it must be shown.

The card beside a model (``model/card.json``) remembers its method and options, its AUs, the people
that it was trained on, and how their faces were registered. A face that is registered otherwise
looks to the model like nothing it has learned, so a recipe that cannot be repeated is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.errors import UserError, first_complaint
from harness.method import Feature, Method, Model
from harness.prepare.registration import FACE_SIZE, Registration
from harness.registry import load_method, suggestion
from harness.store import RunStore

if TYPE_CHECKING:
    from harness.plan.jobs import Cell

_CHOICES: dict[str, tuple[object, ...]] = {
    "eye_dist": (80, 90, 100),
    "points": ("all", "rigid_subset"),
    "resampling": ("area", "bilinear"),
}


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A model folder, read as far as its card.

    Attributes:
        aus: AUs of its scores, in order.
        registration: how the faces that it sees must be registered.
        landmarks: where the landmarks of its training faces came from; empty if unknown.
    """

    folder: Path
    card: Mapping[str, Any]
    aus: tuple[int, ...]
    registration: Registration
    landmarks: str

    def load(self) -> Model:
        """The model.

        Raises:
            UserError: its files are missing or damaged.
        """
        method = load_method(self.card["method"])
        try:
            return method.load(self.folder)
        except Exception as error:  # a method's own reader raises whatever it likes
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                f"{self.folder}: the model cannot be read ({type(error).__name__}: {reason})"
            ) from error

    def features(self) -> dict[str, Feature]:
        """The features that it, or a stage inside it, reads."""
        return _features(_method(self.card["method"], self.card["options"]))

    def describe(self) -> str:
        """Method, fold and training people in one line."""
        card = self.card
        train, validation = len(card["train_subjects"]), len(card["validation_subjects"])
        return (
            f"{card['method'].partition(':')[2]}, AUs {', '.join(map(str, self.aus))}, trained on "
            f"{card['train_dataset']} ({card['protocol']}, fold {card['fold']}: {train} subjects "
            f"and {validation} to validate)"
        )


def open_model(
    place: Path, method: str | None = None, setting: str | None = None, fold: str | None = None
) -> TrainedModel:
    """The model in a job folder (or its ``model/``); or one of a run, named by its cell.

    Args:
        method, setting, fold: which cell of a run; the first finished one that fits is taken.

    Raises:
        UserError: no model there, a damaged card, or a registration that cannot be repeated.
    """
    named = {"--method": method, "--setting": setting, "--fold": fold}
    if (place / "plan.json").is_file():
        place = _job_of_run(RunStore(place), method, setting, fold)
    elif any(value is not None for value in named.values()):
        option = next(option for option, value in named.items() if value is not None)
        raise UserError(f"{option} chooses a cell of a run, and {place} is not a run folder")
    folder = place / "model" if (place / "model").is_dir() else place
    file = folder / "card.json"
    if not file.is_file():
        raise UserError(
            f"{place} holds no model: give a finished job's folder (runs/NAME/jobs/KEY), or a run "
            "folder with --method"
        )
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
        recipe, aus = dict(card["registration"]), tuple(int(au) for au in card["aus"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: {error!r}") from error
    return TrainedModel(
        folder=folder,
        card=card,
        aus=aus,
        registration=_repeated(recipe, folder),
        landmarks=str(recipe.get("landmarks", "")),
    )


def _job_of_run(store: RunStore, method: str | None, setting: str | None, fold: str | None) -> Path:
    plan = store.plan()
    if method is None:
        trained = [
            name
            for name in plan.methods
            if any(cell.method == name and _has_model(store, cell) for cell in plan.cells)
        ]
        raise UserError(f"{store.folder} is a run: add --method, one of {', '.join(trained)}")
    if method not in plan.methods:
        raise UserError(f"the run has no method {method!r}{suggestion(method, plan.methods)}")
    if setting is not None and setting not in plan.settings:
        raise UserError(f"the run has no setting {setting!r}{suggestion(setting, plan.settings)}")

    def fits(cell: Cell) -> bool:
        return (
            cell.method == method
            and setting in (None, cell.setting)
            and fold in (None, cell.fold)
            and _has_model(store, cell)
        )

    found = next((cell for cell in plan.cells if fits(cell)), None)
    if found is None:
        where = "".join(f", {k} {v}" for k, v in (("setting", setting), ("fold", fold)) if v)
        raise UserError(f"{store.folder} holds no finished model of {method}{where}")
    return store.job_folder(found.job)


def _has_model(store: RunStore, cell: Cell) -> bool:
    return (store.job_folder(cell.job) / "model" / "card.json").is_file()


def _repeated(recipe: dict[str, Any], folder: Path) -> Registration:
    """The registration that gives faces like those that a model was trained on."""
    described = {key: value for key, value in recipe.items() if key != "landmarks"}
    if described.get("kind") == "rendered registered":  # rendered in the reference frame itself
        described = {
            **Registration().describe(),
            "eye_dist": described.get("eye_distance"),
            "size": described.get("size", FACE_SIZE),
        }
    wanted: dict[str, Any] = {
        name: described[name] for name, valid in _CHOICES.items() if described.get(name) in valid
    }
    ours = Registration(**wanted)
    can = ours.describe()
    for key in can:
        if described.get(key) != can[key]:
            raise UserError(
                f"{folder}: the model was trained on faces of another registration ({key}: "
                f"{described.get(key, 'not recorded')}, and {can[key]} here); it would be shown "
                "faces unlike those that it has learned"
            )
    return ours


def _method(path: str, options: Mapping[str, Any]) -> Method:
    found = load_method(path)
    try:
        return found(found.Options.model_validate(dict(options)))
    except ValidationError as error:
        complaint = first_complaint(error)
        raise UserError(
            f"{path} no longer has the options that the model was trained with ({complaint.name}: "
            f"{complaint.message}): train it again"
        ) from error


def _features(method: Method) -> dict[str, Feature]:
    found = {feature.name: feature for feature in method.features()}
    for stage in method.stages().values():
        found |= _features(_method(stage.method, stage.options))
    return found
