"""How long a report takes for a sweep of the paper's size, and its page's size.

    python -m benchmarks.reports [--frames 400000] [--methods 15] [--folds 13] [--aus 12]

Makes a run folder of random scores (two datasets that share the frames, each within itself), then
times the report, the terminal's table, and reading the scores alone, which no report can undercut.
The last figure is the ratio of the whole report to that.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness.method import Needs
from harness.plan.jobs import Cell, Job, Plan, digest
from harness.protocol import Split
from harness.store import RunStore
from reports.build import build, summary_table
from reports.run_view import RunView

PAPER_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
SUBJECTS = {"bp4d": 41, "gft": 50}


def main() -> None:
    """Makes the run, times, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--frames", type=int, default=400_000, help="of both datasets together")
    parser.add_argument("--methods", type=int, default=15)
    parser.add_argument("--folds", type=int, default=13, help="of each dataset")
    parser.add_argument("--aus", type=int, default=12)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="report-benchmark-"))
    try:
        begun = time.perf_counter()
        plan = make_run(folder / "run", options)
        print(f"made a run of {len(plan.cells)} cells in {time.perf_counter() - begun:.0f} s")
        read = _timed("scores read alone", lambda: _read(folder / "run"))
        _timed("table for the terminal", lambda: summary_table(folder / "run", width=100))
        whole = _timed("whole report", lambda: build(folder / "run"))
        page = (folder / "run" / "report" / "report.html").stat().st_size / 2**20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{'page':28} {page:8.1f} MiB")
        print(f"{'peak memory':28} {peak:8.2f} GiB")
        print(f"{'whole report / reading':28} {whole / read:8.1f} x")
    finally:
        shutil.rmtree(folder)


def _timed(name: str, work: Callable[[], object]) -> float:
    begun, cpu = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - begun
    print(f"{name:28} {seconds:8.1f} s   (processor {time.process_time() - cpu:.1f} s)")
    return seconds


def _read(folder: Path) -> None:
    view = RunView(folder)
    for cell in view.plan.cells:
        view.scores(cell)


def make_run(folder: Path, options: argparse.Namespace) -> Plan:
    """A finished run of random scores."""
    aus = PAPER_AUS[: options.aus]
    methods = tuple(f"method {i + 1}" for i in range(options.methods))
    jobs: dict[str, Job] = {}
    cells: list[Cell] = []
    splits: dict[str, Split] = {}
    for dataset, number in SUBJECTS.items():
        names = [f"{dataset}:S{i:03d}" for i in range(number)]
        for fold in range(options.folds):
            tested = names[fold :: options.folds]
            rest = [name for name in names if name not in tested]
            split = Split(
                protocol=f"{options.folds}-fold",
                fold=str(fold + 1),
                train=tuple(rest[number // 5 :]),
                validation=tuple(rest[: number // 5]),
                test=tuple(tested),
            )
            key = digest(dataset, fold)
            splits[key] = split
            for method in methods:
                job = _job(digest(method, dataset, fold), method, dataset, key, aus)
                jobs[job.key] = job
                cells.append(
                    Cell(
                        setting=f"{dataset} {options.folds}-fold",
                        train_dataset=dataset,
                        test_dataset=dataset,
                        protocol=split.protocol,
                        fold=split.fold,
                        method=method,
                        seed=0,
                        job=job.key,
                    )
                )
    plan = Plan(
        suite="benchmark",
        description="random scores",
        methods=methods,
        settings=tuple(f"{dataset} {options.folds}-fold" for dataset in SUBJECTS),
        jobs=jobs,
        cells=tuple(cells),
        splits=splits,
        datasets={},
    )
    store = RunStore(folder)
    store.begin(plan, "name: benchmark\n")
    per_subject = options.frames // sum(SUBJECTS.values())
    for index, cell in enumerate(plan.cells):
        split = splits[jobs[cell.job].split]
        rng = np.random.default_rng(index)
        _commit(store, jobs[cell.job], split, aus, per_subject, options.methods, rng)
    return plan


def _job(key: str, method: str, dataset: str, split: str, aus: tuple[int, ...]) -> Job:
    return Job(
        key=key,
        kind="cell",
        title=f"{method} · {dataset}",
        group=method,
        needs=(),
        resources=Needs(),
        split=split,
        num_frames=0,
        spec={"method": method, "options": {}, "aus": list(aus)},
    )


def _commit(
    store: RunStore,
    job: Job,
    split: Split,
    aus: tuple[int, ...],
    per_subject: int,
    num_methods: int,
    rng: np.random.Generator,
) -> None:
    import pandas as pd

    quality = 0.5 + 1.5 * int(job.group.split()[1]) / num_methods
    tables = []
    for part in ("validation", "test"):
        subjects = split.part(part)
        frames = per_subject * len(subjects)
        # The labels must not depend on the method: their generator is seeded by the subjects.
        coder = np.random.default_rng([len(subjects), *subjects[0].encode()])
        runs = coder.random((frames // 20 + 1, len(aus))) < np.linspace(0.05, 0.5, len(aus))
        labels = np.where(np.repeat(runs, 20, axis=0)[:frames], 1, -1).astype(np.int8)
        scores = rng.standard_normal((frames, len(aus))) + quality * (labels > 0) - quality / 2
        names = np.repeat(np.asarray(subjects), per_subject)
        columns: dict[str, object] = {
            "part": np.repeat(part, frames),
            "subject": names,
            "sequence": np.char.add(names, "/T1"),
            "number": np.tile(np.arange(per_subject), len(subjects)),
        }
        columns |= {f"label_AU{au}": labels[:, i] for i, au in enumerate(aus)}
        columns |= {f"score_AU{au}": scores[:, i].astype(np.float32) for i, au in enumerate(aus)}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    for name in ("part", "subject", "sequence"):
        table[name] = table[name].astype("category")
    cost = {"started": 1.7e9, "seconds": 60.0, "cpu_seconds": 60.0, "gpu_seconds": 0.0}
    record = {"job": asdict(job), "split": asdict(split), "environment": {}, "cost": cost}
    with store.work_folder(job) as work:
        table.to_parquet(work / "scores.parquet", index=False)
        store.commit(job, work, record, {"notes": [], "cost": cost})


if __name__ == "__main__":
    main()
