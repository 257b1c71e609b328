"""How fast the metrics and their bootstrap are at the size of BP4D.

Run by ``python -m benchmarks.metrics``; it holds itself to one core. Figures:

1. All metrics with 1,000 resamples of 41 subjects, 12 AUs x 147,000 frames, on one core, against
   the obvious way (gather the frames of the drawn subjects, compute the metric on them).
2. Event F1 at 101 thresholds against a loop over events and thresholds, for scores with noise from
   frame to frame (many short events) and for smooth ones.
3. Per-subject pair counts for the AUC, against scikit-learn on the same frames.
4. 10 folds of 140 subjects, 400,000 frames.

The compilation of one walk by numba (once a machine) is not counted. Figures vary by some ten per
cent from run to run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from harness.data.frames import FrameTable
from harness.metrics import METRICS, ScoredFrames, event_f1, find_metric, roc_auc
from harness.protocol import make_splits
from harness.statistics import bootstrap
from harness.statistics.bootstrap import subject_weights
from harness.statistics.resamples import Resamples

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
BASE_RATES = np.array([21, 17, 20, 46, 55, 59, 56, 47, 17, 34, 17, 15]) / 100


def synthetic_scores(
    num_subjects: int, num_frames: int, *, tasks: int = 8, smooth: bool = False, seed: int = 0
) -> ScoredFrames:
    """Labels that stay on and off for about a second, and scores that find them half well, with
    noise that is new in every frame, or (``smooth``) that lasts for half a second."""
    rng = np.random.default_rng(seed)
    per_sequence = num_frames // (num_subjects * tasks)
    subjects, sequences, numbers, labels = [], [], [], []
    for s in range(num_subjects):
        for task in range(tasks):
            subjects += [f"bench:S{s:03d}"] * per_sequence
            sequences += [f"bench:S{s:03d}/T{task}"] * per_sequence
            numbers.append(np.arange(1, per_sequence + 1))
            drift = np.cumsum(rng.normal(size=(per_sequence, len(AUS))), axis=0) / 8
            drift += rng.normal(size=len(AUS))
            labels.append(drift)
    drift_NL = np.concatenate(labels)
    cut_L = np.array([np.quantile(drift_NL[:, i], 1 - r) for i, r in enumerate(BASE_RATES)])
    labels_NL = np.where(drift_NL > cut_L, 1, -1).astype(np.int8)
    labels_NL[rng.random(labels_NL.shape) < 0.01] = 0
    noise_NL = rng.normal(size=labels_NL.shape)
    if smooth:
        running_NL = np.cumsum(noise_NL, axis=0)
        noise_NL[15:] = (running_NL[15:] - running_NL[:-15]) / np.sqrt(15)
    return ScoredFrames(
        aus=AUS,
        subjects=np.array(subjects, dtype=object),
        sequences=np.array(sequences, dtype=object),
        numbers=np.concatenate(numbers).astype(np.int32),
        folds=np.array(["1"] * len(labels_NL), dtype=object),
        labels=labels_NL,
        scores=(drift_NL - cut_L + noise_NL).astype(np.float32),
    )


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def loop_over_events(scored: ScoredFrames, column: int) -> float:
    """Event F1 area of one AU as one would first write it: sequence by sequence, threshold by
    threshold, event by event. For data without unknown labels."""
    true_events, decided_events, truths, decisions = [], [], [], []
    for sequence in dict.fromkeys(scored.sequences):
        rows = scored.sequences == sequence
        truth = (scored.labels[rows, column] > 0).tolist()
        decision = (scored.scores[rows, column] > 0).tolist()
        truths.append(truth)
        decisions.append(decision)
        true_events.append(runs(truth))
        decided_events.append(runs(decision))
    curve = []
    for k in range(101):
        shares = []
        for all_events, covers in ((true_events, decisions), (decided_events, truths)):
            reached = total = 0
            for events, cover in zip(all_events, covers, strict=True):
                for start, stop in events:
                    total += 1
                    reached += sum(cover[start:stop]) / (stop - start) >= k / 100
            shares.append(reached / total)
        recall, precision = shares
        curve.append(2 * recall * precision / (recall + precision) if recall + precision else 0.0)
    return float(np.trapezoid(curve, dx=0.01))


def runs(flags: list[bool]) -> list[tuple[int, int]]:
    """Start and stop of each run of True."""
    found, start = [], None
    for position, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = position
        elif not flag and start is not None:
            found.append((start, position))
            start = None
    return found


def bench_bootstrap(scored: ScoredFrames) -> None:
    """Figure 1."""
    seconds(lambda: bootstrap(scored.select(np.arange(0, len(scored), 50)), list(METRICS)))
    ours = seconds(lambda: bootstrap(scored, list(METRICS), replicates=1000))
    resamples = Resamples(scored)
    weights = subject_weights(resamples.subjects, 3, 0)
    rows_of = {s: np.flatnonzero(scored.subjects == s) for s in resamples.subjects}

    def gather() -> None:
        for weights_S in weights:
            drawn = scored.select(
                np.concatenate(
                    [
                        np.tile(rows_of[s], int(w))
                        for s, w in zip(resamples.subjects, weights_S, strict=True)
                    ]
                )
            )
            for name in METRICS:
                find_metric(name)(drawn)

    theirs = seconds(gather) / len(weights) * 1000
    print(
        f"1. {len(METRICS)} metrics, 1,000 resamples, {len(scored):,} frames: {ours:.1f} s "
        f"(bound 20 s); gathering frames {theirs:,.0f} s (from 3 resamples): {theirs / ours:,.0f}x"
    )
    for name in METRICS:
        print(f"     {name}: {seconds(lambda n=name: bootstrap(scored, [n])):.2f} s")  # type: ignore[misc]


def bench_events(scored: ScoredFrames, kind: str) -> None:
    """Figure 2."""
    known = ScoredFrames(
        aus=scored.aus,
        subjects=scored.subjects,
        sequences=scored.sequences,
        numbers=scored.numbers,
        folds=scored.folds,
        labels=np.where(scored.labels == 0, -1, scored.labels),
        scores=scored.scores,
    )
    found = event_f1(known.labels, known.scores, known.sequences)
    ours = min(
        seconds(lambda: event_f1(known.labels, known.scores, known.sequences)) for _ in range(5)
    )
    columns = (0, 6)
    areas: list[float] = []
    theirs = seconds(lambda: areas.extend(loop_over_events(known, c) for c in columns))
    assert np.allclose(areas, found.area[list(columns)])
    theirs *= len(AUS) / len(columns)
    print(
        f"2. event F1, {kind}, 12 AUs, {int(found.true_events.sum()):,} true and "
        f"{int(found.decided_events.sum()):,} decided events: {ours * 1e3:.0f} ms; loop "
        f"{theirs:.1f} s (from 2 AUs): {theirs / ours:,.0f}x (bound 100x)"
    )


def bench_auc(scored: ScoredFrames) -> None:
    """Figure 3."""
    from sklearn.metrics import roc_auc_score

    def theirs() -> None:
        for column in range(len(AUS)):
            known = scored.labels[:, column] != 0
            roc_auc_score(scored.labels[known, column], scored.scores[known, column])

    theirs()
    once = min(seconds(lambda: roc_auc(scored.labels, scored.scores)) for _ in range(3))
    pairs = seconds(lambda: Resamples(scored)._pairs)
    sklearn = min(seconds(theirs) for _ in range(3))
    print(
        f"3. AUC of 12 AUs: {once:.2f} s, scikit-learn {sklearn:.2f} s: {sklearn / once:.1f}x; "
        f"counts for all resamples of 41 subjects: {pairs:.2f} s"
    )


def bench_splits() -> None:
    """Figure 4."""
    scored = synthetic_scores(140, 400_000, seed=1)
    table = FrameTable(
        aus=AUS,
        subjects=scored.subjects,
        sequences=scored.sequences,
        numbers=scored.numbers,
        tracked=np.ones(len(scored), dtype=bool),
        labels=scored.labels,
    )
    spent = seconds(lambda: make_splits("10-fold", table, seed=0))
    print(f"4. 10 folds of 140 subjects, {len(scored):,} frames: {spent:.2f} s")


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        bp4d = synthetic_scores(41, 147_000)
        bench_bootstrap(bp4d)
        bench_events(bp4d, "noisy scores")
        bench_events(synthetic_scores(41, 147_000, smooth=True), "smooth scores")
        bench_auc(bp4d)
        bench_splits()
