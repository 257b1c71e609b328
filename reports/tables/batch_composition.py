"""What is in the mini-batches of each sampler, in numbers (the paper, Fig. 6)."""

from __future__ import annotations

from reports.batch_composition import SamplerBatches, batch_compositions
from reports.evaluation import Evaluation
from reports.table import DASH, Column, Entry, Row, Table, number, percent, text


def batch_composition_table(evaluation: Evaluation) -> Table | None:
    """A row a training dataset and sampler; None without two samplers."""
    found, problems = batch_compositions(evaluation)
    if not found:
        return None
    aus = sorted({au for one in found for au in one.aus})
    group = "Frames of a batch that show the AU, mean ± SD"
    return Table(
        key="batches",
        title="What is in a mini-batch",
        columns=(
            Column(key="dataset", title="Trained on", kind="text"),
            Column(key="sampler", title="Sampler", kind="text"),
            Column(key="trainings", title="Trainings", help="folds × seeds"),
            Column(key="batches", title="Batches", help="of an epoch"),
            Column(key="size", title="Frames", help="of a batch"),
            Column(
                key="between",
                title="Between",
                help="coefficient of variation of an AU's share between batches, mean over AUs",
            ),
            Column(
                key="within",
                title="Within",
                help="most frequent over rarest AU of a batch, median over batches",
            ),
            Column(key="used", title="Used (%)", help="of the training frames, in an epoch"),
            Column(key="reuse", title="Reuse", help="draws of the frame that was drawn most"),
            *(Column(key=f"AU{au}", title=f"AU{au}", group=group) for au in aus),
        ),
        rows=tuple(_row(one, aus) for one in found),
        notes=(
            "Of one epoch of each training's batches, as it left them; means over trainings. "
            "Between: variation of an AU's share between batches. Within: the most frequent over "
            "the rarest AU of a batch; a missing one counts as one frame.",
            *dict.fromkeys(f"{one.sampler}: {', '.join(one.methods)}." for one in found),
            *problems,
        ),
    )


def _row(one: SamplerBatches, aus: list[int]) -> Row:
    return Row(
        entries=(
            text(one.dataset),
            text(one.sampler),
            number(one.trainings, 0),
            number(one.batches, 0),
            number(one.batch_size, 1),
            number(one.between_batch_cv, 3),
            number(one.within_batch_ratio, 1),
            percent(one.share_used),
            number(one.max_reuse, 0),
            *(_counts(one, au) for au in aus),
        )
    )


def _counts(one: SamplerBatches, au: int) -> Entry:
    if au not in one.aus:
        return Entry(text=DASH, state="absent")
    i = one.aus.index(au)
    rates = f"{100 * one.rates_in_batches_L[i]:.1f} % of known labels"
    return Entry(
        text=f"{one.count_mean_L[i]:.1f} ± {one.count_sd_L[i]:.1f}",
        value=float(one.count_mean_L[i]),
        note=f"{one.count_min_L[i]:.0f} to {one.count_max_L[i]:.0f}; {rates}, "
        f"{100 * one.base_rates_L[i]:.1f} % in the dataset",
    )
