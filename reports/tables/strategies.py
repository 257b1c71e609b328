"""How mini-batches are drawn, within and between datasets: the form of the paper's Tables 3, 4."""

from __future__ import annotations

from reports.compare import Comparison, compare
from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.one_option_apart import one_option_apart
from reports.table import DASH, Column, Entry, Row, Table, percent, slug, text
from reports.tables.overview import standing_entry

OPTION = "sampler"


def strategies(evaluation: Evaluation) -> list[Table]:
    """For each test dataset a table of AUs × (setting, method), of the methods that only the
    sampler tells apart; none where a dataset is not tested on both from within and from another."""
    methods = list(
        dict.fromkeys(
            name
            for pair in one_option_apart(evaluation.plan)
            if pair.option == OPTION
            for name in (pair.before, pair.after)
        )
    )
    settings: dict[str, dict[str, str]] = {}
    for cell in evaluation.plan.cells:
        settings.setdefault(cell.test_dataset, {})[cell.setting] = cell.train_dataset
    return [
        table
        for tested, by_setting in settings.items()
        if tested in by_setting.values() and len(set(by_setting.values())) > 1
        if (table := _table(evaluation, tested, by_setting, methods)) is not None
    ]


def _table(
    evaluation: Evaluation, tested: str, by_setting: dict[str, str], methods: list[str]
) -> Table | None:
    compared: dict[str, Comparison] = {}
    for setting in sorted(by_setting, key=lambda setting: by_setting[setting] != tested):
        found = evaluation.comparisons[setting].measured
        some = [found[method] for method in methods if method in found]
        if len(some) > 1:
            compared[setting] = compare(setting, some)
    if len({by_setting[setting] for setting in compared}) < 2:
        return None
    groups = {
        setting: ("within " if by_setting[setting] == tested else "from ") + by_setting[setting]
        for setting in compared
    }
    aus = sorted({au for c in compared.values() for m in c.measured.values() for au in m.aus})
    columns = [
        Column(key="au", title="AU", kind="text"),
        Column(key="base_rate", title="Base rate", help="share of frames with the AU, percent"),
    ]
    for setting, comparison in compared.items():
        columns += [
            Column(key=f"{setting} {name}", title=name, group=groups[setting], method=name)
            for name in comparison.measured
        ]
    rows = [_row(compared, au) for au in aus]
    rows.append(_row(compared, None))
    facts = next(iter(compared.values()))
    return Table(
        key=slug("strategies", tested),
        title=f"How mini-batches are drawn: frame F1 on {tested}, within and between datasets",
        columns=tuple(columns),
        rows=tuple(rows),
        facts=(*facts_of(facts, "f1"), ("unit", "percent")),
        notes=(
            *(f"{s}, {note}" for s, c in compared.items() for note in partial_notes(c)),
            "Marks compare the ways of drawing within a setting. Facts are those of the first "
            f"setting, {next(iter(compared))}; the others' stand under their own tables.",
        ),
    )


def _row(compared: dict[str, Comparison], au: int | None) -> Row:
    """An AU, or for None the mean over AUs."""
    first = next(iter(compared.values())).typical
    rates = dict(zip(first.aus, first.present_L / first.known_L.clip(1), strict=True))
    rate = sum(rates.values()) / len(rates) if au is None else rates.get(au, float("nan"))
    name = text("Mean") if au is None else Entry(text=str(au), value=float(au))
    entries = [name, percent(float(rate))]
    for comparison in compared.values():
        for method, measured in comparison.measured.items():
            if au is not None and au not in measured.aus:
                entries.append(Entry(text=DASH, state="absent"))
                continue
            place = -1 if au is None else measured.aus.index(au)
            entries.append(standing_entry(comparison.f1[method][place], measured.complete))
    return Row(entries=tuple(entries), role="mean" if au is None else "body")
