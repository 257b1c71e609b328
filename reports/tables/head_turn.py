"""A row a method: mean F1 where the head is frontal, turned, and between (the paper, section 7,
asks what head pose does)."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.facts import facts_of, partial_notes
from reports.head_turn import PARTS
from reports.table import Column, Row, Table, number, percent, slug, text


def head_turn(evaluation: Evaluation, setting: str) -> Table | None:
    """Mean F1 in each third of the test frames, in percent; None where no pose stands with the
    scores."""
    comparison = evaluation.comparisons[setting]
    found = [
        (measured, measured.details.head_turn)
        for measured in comparison.measured.values()
        if measured.details is not None and measured.details.head_turn is not None
    ]
    if not found:
        return None
    angle_K = found[0][1].angle_K
    columns = (
        Column(key="method", title="Method", kind="text"),
        *(
            Column(
                key=part,
                title=part.capitalize(),
                help=f"a third of the test frames, turned by {angle:.1f}° on average",
            )
            for part, angle in zip(PARTS, angle_K, strict=True)
        ),
        Column(key="difference", title="Turned less frontal", help="points of F1"),
    )
    rows = []
    for measured, turn in found:
        state = "" if measured.complete else "partial"
        rows.append(
            Row(
                entries=(
                    text(measured.method),
                    *(percent(float(f1), state=state) for f1 in turn.f1_K),
                    number(100 * float(turn.f1_K[-1] - turn.f1_K[0])),
                ),
                method=measured.method,
            )
        )
    angles = ", ".join(f"{part} {angle:.1f}°" for part, angle in zip(PARTS, angle_K, strict=True))
    return Table(
        key=slug(setting, "head-turn"),
        title=f"Mean F1 by how far the head is turned, {setting}",
        section=setting,
        columns=columns,
        rows=tuple(rows),
        facts=(*facts_of(comparison, "f1"), ("unit", "percent"), ("mean angles", angles)),
        notes=(
            *partial_notes(comparison),
            "Thirds of the test frames by yaw, as estimated from the landmarks, away from its "
            "median. The thirds differ in base rates too, so compare methods, not columns alone.",
        ),
    )
