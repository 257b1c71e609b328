"""Runs made up for tests: a plan, and cells whose scores hold an effect of a known size."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd

from harness.method import Needs
from harness.plan.jobs import Cell, Job, Plan, digest
from harness.protocol import Split
from harness.results import file_digest
from harness.store import RunStore

AUS = (1, 2, 4, 6, 12, 15)
RATES = (0.2, 0.15, 0.1, 0.45, 0.5, 0.08)
QUALITY = {"svm": 0.9, "anet": 1.3, "hybrid": 1.9}
DATASETS = {"lab": 9, "group": 6}
ENVIRONMENT = {
    "revision": "0123456789ab",
    "python": "3.11.7",
    "packages": {"aubench": "0.1.0", "numpy": "2.4.0"},
    "host": "node-1",
    "system": "Linux x86_64",
    "cpus": 2,
    "gpu": "",
}


def faces_of(dataset, aus=AUS, tasks=2, frames=120):
    """Keys and Markov labels of a dataset, the same at every call."""
    rows = []
    for number in range(DATASETS[dataset]):
        for task in range(1, tasks + 1):
            rng = np.random.default_rng([number, task, len(dataset)])
            labels = np.empty((frames, len(aus)), np.int8)
            for column in range(len(aus)):
                rate = RATES[column % len(RATES)]
                runs = rng.random(frames // 8 + 1) < rate
                labels[:, column] = np.where(np.repeat(runs, 8)[:frames], 1, -1)
            labels[rng.random((frames, len(aus))) < 0.02] = 0
            rows.append(
                (f"{dataset}:S{number + 1:02d}", f"{dataset}:S{number + 1:02d}/T{task}", labels)
            )
    return rows


def score_table(dataset, subjects, part, quality, seed, aus=AUS):
    """Scores that separate present from absent frames by ``quality`` standard deviations; half of
    the noise is the same for every method, as hard frames are hard for all."""
    tables = []
    for subject, sequence, labels in faces_of(dataset, aus):
        if subject not in subjects:
            continue
        rng = np.random.default_rng([seed, *sequence.encode()])
        shared = rng.standard_normal(labels.shape)
        own = np.random.default_rng([seed, round(1000 * quality), *sequence.encode()])
        noise = (shared + own.standard_normal(labels.shape)) / 2**0.5
        noise += 0.5 * own.standard_normal(len(aus))
        scores = (noise + quality * (labels > 0) - quality / 2).astype(np.float32)
        columns = {
            "part": np.repeat(part, len(labels)),
            "subject": np.repeat(subject, len(labels)),
            "sequence": np.repeat(sequence, len(labels)),
            "number": np.arange(1, len(labels) + 1),
        }
        columns |= {f"label_AU{au}": labels[:, i] for i, au in enumerate(aus)}
        columns |= {f"score_AU{au}": scores[:, i] for i, au in enumerate(aus)}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    for key in ("part", "subject", "sequence"):
        table[key] = table[key].astype("category")
    return table


def planted_plan(
    methods=tuple(QUALITY), settings=None, seeds=(0,), aus=AUS, suite="planted", version=1
):
    """A plan over two datasets: 3 folds within each, and both ways across."""
    settings = settings or (("lab", "lab"), ("group", "group"), ("lab", "group"), ("group", "lab"))
    jobs, cells, splits, titles = {}, [], {}, []
    for train, test in settings:
        title = f"{train} 3-fold" if train == test else f"{train} → {test}"
        titles.append(title)
        names = [f"{train}:S{i + 1:02d}" for i in range(DATASETS[train])]
        others = [f"{test}:S{i + 1:02d}" for i in range(DATASETS[test])]
        for fold in ("1", "2", "3") if train == test else ("1",):
            tested = tuple(names[int(fold) - 1 :: 3]) if train == test else tuple(others)
            rest = [name for name in names if name not in tested]
            split = Split(
                protocol="3-fold" if train == test else "cross-dataset",
                fold=fold,
                train=tuple(rest[1:]),
                validation=(rest[0],),
                test=tested,
            )
            split_key = digest("split", title, fold)
            splits[split_key] = split
            for seed in seeds:
                for method in methods:
                    key = _add_job(jobs, method, title, fold, (seed, version), split_key, aus)
                    cells.append(
                        Cell(
                            setting=title,
                            train_dataset=train,
                            test_dataset=test,
                            protocol=split.protocol,
                            fold=fold,
                            method=method,
                            seed=seed,
                            job=key,
                        )
                    )
    datasets = {
        name: {
            "aus": list(aus),
            "subjects": n,
            "sequences": 2 * n,
            "frames": 240 * n,
            "folder": "/d",
        }
        | {"identity": name, "base_rates": [RATES[i % len(RATES)] for i in range(len(aus))]}
        for name, n in DATASETS.items()
    }
    return Plan(
        suite=suite,
        description="planted effects",
        methods=tuple(methods),
        settings=tuple(titles),
        jobs=jobs,
        cells=tuple(cells),
        splits=splits,
        datasets=datasets,
    )


def _add_job(jobs, method, title, fold, seed, split_key, aus):
    """``seed``: the seed and the version of the code, which stands among the options."""
    stage = ""
    if method == "hybrid":
        stage = digest("stage", title, fold, seed)
        jobs[stage] = _job(
            stage,
            "stage",
            f"anet for hybrid · {title} · fold {fold}",
            method,
            (),
            split_key,
            aus,
            seed[1],
        )
    key = digest("cell", method, title, fold, seed)
    needs = (stage,) if stage else ()
    jobs[key] = _job(
        key, "cell", f"{method} · {title} · fold {fold}", method, needs, split_key, aus, seed[1]
    )
    return key


def _job(key, kind, title, method, needs, split_key, aus, version):
    return Job(
        key=key,
        kind=kind,
        title=title,
        group=method,
        needs=needs,
        resources=Needs(),
        split=split_key,
        num_frames=100,
        spec={
            "method": f"m:{method}",
            "options": {"version": version},
            "aus": list(aus),
            "stages": {},
            "features": {},
        },
    )


def make_run(folder, plan=None, quality=None, skip=(), failed=(), aus=AUS):
    """A run folder in the store's own format.

    ``skip`` and ``failed`` are (method, setting, fold) of cells that are left out or failed.
    """
    plan = plan or planted_plan(aus=aus)
    quality = quality or QUALITY
    store = RunStore(folder)
    store.begin(plan, f"name: {plan.suite}\n")
    started = 1_700_000_000.0
    for cell in plan.cells:
        name = (cell.method, cell.setting, cell.fold)
        job = plan.jobs[cell.job]
        if name in failed:
            store.record_failure(
                job, {"error": "ValueError: no faces <here>", "traceback": "", "seconds": 1}
            )
            continue
        if name in skip:
            continue
        for need in job.needs:
            if not store.is_done(plan.jobs[need]):
                started = _commit(store, plan, plan.jobs[need], None, started)
        split = plan.splits[job.split]
        kept = quality[cell.method] * (1 if cell.train_dataset == cell.test_dataset else 0.7)
        parts = [
            score_table(cell.train_dataset, split.validation, "validation", kept, cell.seed, aus),
            score_table(cell.test_dataset, split.test, "test", kept, cell.seed, aus),
        ]
        table = pd.concat(parts, ignore_index=True)
        for key in ("part", "subject", "sequence"):
            table[key] = table[key].astype("category")
        started = _commit(store, plan, job, table, started)
    return folder


def _commit(store, plan, job, table, started):
    seconds = 3.0 + len(job.title) % 5
    cost = {
        "started": started,
        "seconds": seconds,
        "cpu_seconds": 0.9 * seconds,
        "gpu_seconds": 0.0,
        "peak_memory": 3e8,
    }
    with store.work_folder(job) as work:
        if table is not None:
            table.to_parquet(work / "scores.parquet", index=False)
        if job.group != "svm":
            lines = [
                json.dumps({"step": 10 * i, "loss": 1 / i, "validation_mean_f1": 0.5 - 0.4 / i})
                for i in range(1, 13)
            ]
            (work / "history.jsonl").write_text("\n".join(lines) + "\n")
        record = {
            "job": asdict(job),
            "split": asdict(plan.splits[job.split]),
            "environment": ENVIRONMENT,
            "cost": cost,
        }
        store.commit(job, work, record, {"notes": [], "cost": cost})
    return started + seconds


def damage_job(run, key, damage):
    """Breaks one file of a finished job, each in another way."""
    store = RunStore(run)
    folder = store.job_folder(key)
    if damage == "parquet":
        content = bytearray((folder / "scores.parquet").read_bytes())
        content[len(content) // 2] ^= 255
        (folder / "scores.parquet").write_bytes(bytes(content))
    elif damage == "result":
        (folder / "result.json").write_text('{"files":')
    elif damage == "record":
        (folder / "job.json").unlink()
    elif damage == "history":
        (folder / "history.jsonl").write_text('{"loss": 1}\nnot json\n')
    else:
        replace_scores(store, key, lambda table: table.drop(columns="score_AU6"))


def replace_scores(store, key, change):
    """Rewrites a finished cell's scores, and their digest with them."""
    file = store.job_folder(key) / "scores.parquet"
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    result = store.result(key)
    result["files"] = {file.name: file_digest(file)}
    (file.parent / "result.json").write_text(json.dumps(result))


def record_digest(store, key, name):
    """Puts a file that was added to a finished job into the digests of its result."""
    folder = store.job_folder(key)
    result = store.result(key)
    result["files"][name] = file_digest(folder / name)
    (folder / "result.json").write_text(json.dumps(result))
