"""Network training under Ray Train: local mode for one worker, a worker group for several.

With one worker, Train's local mode (``num_workers=0``) runs the loop inside the warm Ray task that
holds the CPUs or the GPU share: milliseconds, where a worker group costs some 20 s and five
processes to start. With several, a ``TorchTrainer`` worker group (DDP, gloo on CPU, NCCL on GPU).
Local mode persists nothing under ``storage_path``; so in both modes the context keeps checkpoints
itself, in the job's own folder, and rank 0 leaves its result there for the task to commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.context import LocalContext
from harness.engine.work import finish, stage_folders, train_and_score
from harness.plan.jobs import Job
from harness.protocol import Split
from harness.provenance import Meter
from harness.store import RunStore, write_text
from harness.threads import limited_threads


class RayTrainContext(LocalContext):
    """The context of one Ray Train worker; Train hears of every report too."""

    def report(
        self, metrics: Mapping[str, float], checkpoint: Callable[[Path], None] | None = None
    ) -> None:
        """Records progress as ``LocalContext`` does; a barrier among the workers."""
        import ray.train

        super().report(metrics, checkpoint)
        ray.train.report({key: float(value) for key, value in metrics.items()})

    def restore(self) -> Path | None:
        """The checkpoint that rank 0 finds, for every rank: a rank that looked for itself, later,
        could find one that rank 0 has written since, and they would wait for each other for ever.
        """
        if self.world_size == 1:
            return super().restore()
        import ray.train.collective

        found = super().restore() if self.rank == 0 else None
        agreed = ray.train.collective.broadcast_from_rank_zero(str(found) if found else "")
        return Path(agreed) if agreed else None


def train_job(job: Job, split: Split, run_folder: Path) -> dict[str, Any]:
    """Does a network-training job under Ray Train and commits its result."""
    import ray.train
    from ray.train.torch import TorchTrainer

    store = RunStore(run_folder)
    store.mark_running(job)
    resources = job.resources
    with store.work_folder(job) as work:
        if store.is_done(job):
            return {}
        meter = Meter(resources.gpus * resources.workers)
        alone = resources.workers == 1
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"job": job, "split": split, "run": str(run_folder)},
            scaling_config=ray.train.ScalingConfig(
                num_workers=0 if alone else resources.workers,
                use_gpu=resources.gpus > 0,
                resources_per_worker=None if alone else _per_worker(job),
            ),
            run_config=ray.train.RunConfig(
                name=job.key,
                storage_path=str(work / "train"),
                failure_config=ray.train.FailureConfig(
                    max_failures=1,
                    controller_failure_limit=2,  # type: ignore[call-arg]  # of Train's second version
                ),
            ),
        )
        trainer.fit()
        summary = json.loads((work / "summary.json").read_text(encoding="utf-8"))
        (work / "summary.json").unlink()
        return finish(store, job, split, work, summary, meter)


def _per_worker(job: Job) -> dict[str, float]:
    held = {"CPU": float(job.resources.cpus)}
    return held | ({"GPU": float(job.resources.gpus)} if job.resources.gpus else {})


def _worker(config: dict[str, Any]) -> None:
    """The loop of one worker: build its context, train, and let rank 0 leave the summary."""
    import ray.train
    import ray.train.torch

    job: Job = config["job"]
    store = RunStore(Path(config["run"]))
    workers = ray.train.get_context()
    threads = max(1, int(job.resources.cpus))
    work = store.partial_folder(job.key)
    context = RayTrainContext(
        work,
        device=str(ray.train.torch.get_device()),
        threads=threads,
        seed=job.spec["seed"],
        rank=workers.get_world_rank(),
        world_size=workers.get_world_size(),
        stages=stage_folders(store, job),
    )
    with limited_threads(threads):
        summary = train_and_score(job, config["split"], context)
    if context.rank == 0:
        write_text(work / "summary.json", json.dumps(summary))
