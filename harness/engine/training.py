"""Network training under Ray Train: local mode for one worker, a worker group for several.

With one worker, Train's local mode (``num_workers=0``) runs the loop inside the warm Ray task that
holds the CPUs or the GPU share: milliseconds, where a worker group costs some 20 s and five
processes to start. With several, a ``TorchTrainer`` worker group (DDP, gloo on CPU, NCCL on GPU).
Local mode persists nothing under ``storage_path``; so in both modes the context keeps checkpoints
itself, in the job's own folder, and rank 0 leaves its result there for the task to commit. Where
nodes work in folders of their own (a run on object storage), the workers of a job are all on one
node, and rank 0 commits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from harness.context import LocalContext
from harness.engine.groups import own_group
from harness.engine.work import finish, stage_folders, train_and_score
from harness.plan.jobs import Job
from harness.protocol import Split
from harness.provenance import Meter
from harness.runs import open_run
from harness.store import write_text
from harness.threads import limited_threads

WORKERS_PATIENCE = "86400"


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


def train_job(job: Job, split: Split, run: str) -> dict[str, Any]:
    """Does a network-training job under Ray Train and commits its result."""
    import ray.train
    from ray.train.torch import TorchTrainer

    store = open_run(run)
    resources = job.resources
    # The loop submits a group of workers when there is room, and gives up on one that never starts.
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = WORKERS_PATIENCE
    with store.work_folder(job) as work:
        if store.is_done(job):
            return {}
        meter = Meter(resources.gpus * resources.workers)
        alone = resources.workers == 1
        together = alone or store.everywhere
        place, filesystem = store.training_place(job.key)
        trainer = TorchTrainer(
            _worker,  # type: ignore[arg-type]  # the second version takes what rank 0 returns
            train_loop_config={"job": job, "split": split, "run": run, "commit": not together},
            scaling_config=ray.train.ScalingConfig(
                num_workers=0 if alone else resources.workers,
                use_gpu=resources.gpus > 0,
                resources_per_worker=None if alone else _per_worker(job),
                placement_strategy="PACK" if together else "STRICT_PACK",
            ),
            run_config=ray.train.RunConfig(
                name=job.key,
                storage_path=place,
                storage_filesystem=filesystem,
                failure_config=ray.train.FailureConfig(
                    max_failures=1,
                    controller_failure_limit=2,  # type: ignore[call-arg]  # of Train's second version
                ),
            ),
        )
        with store.keeping_checkpoints(job.key) if alone else nullcontext():
            result = trainer.fit()
        if not together:
            return dict(result.return_value)  # type: ignore[attr-defined]  # of Train's second version
        summary = json.loads((work / "summary.json").read_text(encoding="utf-8"))
        (work / "summary.json").unlink()
        return finish(store, job, split, work, summary, meter)


def _per_worker(job: Job) -> dict[str, float]:
    needs = job.resources
    held = {"CPU": float(needs.cpus), "GPU": float(needs.gpus), "memory": float(needs.memory)}
    return {name: amount for name, amount in held.items() if amount}


def _worker(config: dict[str, Any]) -> dict[str, Any]:
    """The loop of one worker: build its context, train, and let rank 0 leave the summary."""
    import ray.train
    import ray.train.torch

    job: Job = config["job"]
    store = open_run(config["run"])
    workers = ray.train.get_context()
    if workers.get_world_rank() == 0:
        store.mark_running(job, own_group())  # not before all workers are there
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
    commits = config["commit"] and context.rank == 0
    meter = Meter(job.resources.gpus * job.resources.workers)
    with store.keeping_checkpoints(job.key) if commits else nullcontext(), limited_threads(threads):
        summary = train_and_score(job, config["split"], context)
    if commits:
        return finish(store, job, config["split"], work, summary, meter)
    if context.rank == 0:
        write_text(work / "summary.json", json.dumps(summary))
    return summary
