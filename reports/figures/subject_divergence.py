"""How much each feature tells subjects apart (paper, Eq. 2 and Fig. 4), beside published values."""

from __future__ import annotations

import numpy as np

from reports.figure import INK, PALETTE, Figure, drawing, to_svg
from reports.published_results import published_divergence
from reports.studies import StudyView


def subject_divergence(view: StudyView) -> list[Figure]:
    """A dot a subject, a bar at the mean; what the paper printed stands in a panel of its own."""
    features = list(view.values["features"])
    subjects = [str(name) for name in view.values["subjects"]]
    published = published_divergence()
    names = [str(feature["name"]) for feature in features]
    with drawing(8.2, 3.0) as (figure, hover):
        same_unit = view.values["log"] == "log10"
        ours, theirs = figure.subplots(1, 2, width_ratios=(3, 2), sharey=same_unit)
        rng = np.random.default_rng(0)
        for place, feature in enumerate(features):
            values_S = np.asarray(feature["per_subject"], np.float64)
            colour = PALETTE[place % len(PALETTE)]
            for subject, value, shift in zip(
                subjects, values_S, rng.uniform(-0.22, 0.22, len(values_S)), strict=True
            ):
                (dot,) = ours.plot(place + shift, value, "o", markersize=3, color=colour, alpha=0.6)
                hover(dot, f"{feature['name']}, {subject}: {value:.2f}")
            mean, sd = float(feature["mean"]), float(feature["sd"])
            (bar,) = ours.plot([place - 0.3, place + 0.3], [mean, mean], color=INK, linewidth=1.6)
            hover(bar, f"{feature['name']}: {mean:.2f} ± {sd:.2f}")
        ours.set_xticks(range(len(names)), names)
        ours.set_ylabel(f"{view.values['log']}(d · 10⁶)")
        ours.set_title("this run", loc="left")
        ours.grid(False, axis="x")
        known = list(published.values[0][1])
        for place, (dataset, values) in enumerate(published.values):
            at = np.arange(len(known)) + (place - 0.5) * 0.3
            for x, name in zip(at, known, strict=True):
                mean, sd = values[name]
                (line,) = theirs.plot([x, x], [mean - sd, mean + sd], color=PALETTE[6 + place])
                (dot,) = theirs.plot(
                    x, mean, "s", markersize=4, color=PALETTE[6 + place], label=dataset
                )
                for artist in (line, dot):
                    hover(artist, f"the paper, {dataset}, {name}: {mean:.2f} ± {sd:.2f}")
        theirs.set_xticks(range(len(known)), known)
        theirs.set_title("printed in the paper (other data)", loc="left")
        theirs.grid(False, axis="x")
        handles, labels = theirs.get_legend_handles_labels()
        first = {label: handle for handle, label in zip(handles, labels, strict=True)}
        theirs.legend(first.values(), first.keys(), loc="lower left")
        svg = to_svg(figure, hover)
    return [
        Figure(
            key=view.key("divergence"),
            title=f"How much features tell subjects apart ({view.title})",
            caption="Jensen–Shannon divergence of a subject's mean feature from those of all "
            "others: a dot a subject, a line at their mean; lower is less of who somebody is. The "
            "order of features is what can be compared with the paper, not the numbers.",
            svg=svg,
        )
    ]
