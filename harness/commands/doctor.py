"""`aubench doctor`: is everything here that a sweep needs, and if not, what is to be mended.

Every check says what it found, a verdict (``ok``; ``note``, worth knowing; ``wrong``, must be
mended) and what to do. The ranges of versions are those that the package itself declares.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.storage import RemoteFolder, is_remote, plain_address

OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
OPENCV_FEATURES = ("HOGDescriptor", "CascadeClassifier")
GIGABYTE = 1e9
LEAST_FREE, COMFORTABLY_FREE = 1 * GIGABYTE, 10 * GIGABYTE
LEAST_SHARED = 0.3  # of the memory: below this Ray keeps its objects in slow /tmp
COLOURS = {"ok": "", "note": "yellow", "wrong": "red"}


@dataclass(frozen=True)
class Check:
    """One line of the table: what was looked at, what was found, and what to do about it."""

    name: str
    found: str
    verdict: str = "ok"
    mend: str = ""


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Arguments of `aubench doctor`."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        default="runs",
        help="where runs go, a folder or an address such as s3://bucket/runs (default: runs)",
    )
    parser.add_argument("--ray", action="store_true", help="also start Ray and run a task on it")
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="also join this Ray cluster and look from its nodes"
    )
    parser.add_argument(
        "--storage",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="also look whether the datasets at this address can be read; may be repeated",
    )
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Checks this installation; 1 if something must be mended."""
    from rich.console import Console
    from rich.table import Table

    checks = list(
        every_check(options.out, ray=options.ray, address=options.address, storage=options.storage)
    )
    table = Table(title="aubench doctor")
    for column in ("check", "found", "verdict", "what to do"):
        table.add_column(column, overflow="fold")
    for check in checks:
        row = (check.name, check.found, check.verdict, check.mend)
        table.add_row(*row, style=COLOURS[check.verdict])
    Console(highlight=False, markup=False).print(table)
    wrong = [check for check in checks if check.verdict == "wrong"]
    print(f"{len(wrong)} to mend" if wrong else "nothing must be mended")
    return 1 if wrong else 0


def every_check(
    out: str, *, ray: bool = False, address: str | None = None, storage: Sequence[str] = ()
) -> Iterator[Check]:
    """All checks, cheap ones first; one that itself breaks is a ``wrong`` of its own."""
    groups: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("versions", check_versions),
        ("OpenCV", check_opencv),
        ("GPU", check_gpus),
        ("threads", check_threads),
        ("storage", lambda: check_storage(out)),
        ("datasets", lambda: check_datasets(storage)),
        ("W&B", check_tracking),
    ]
    if ray or address:
        groups.append(("Ray", lambda: check_ray(address, out)))
    for name, group in groups:
        try:
            yield from group()
        except Exception as error:  # a doctor reports what is broken, whatever it raises
            line = next(iter(str(error).splitlines()), "")
            found = f"{type(error).__name__}: {line}"
            yield Check(name, found, "wrong", "see installing.md; this should never fail")


def declared() -> tuple[str, list[str]]:
    """The range of Python versions and the requirements that the package declares: of the checkout
    that this file stands in, else of the installed distribution."""
    file = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        return project["requires-python"], list(project["dependencies"])
    found = metadata.metadata("aubench")
    requirements = [line for line in metadata.requires("aubench") or [] if "extra ==" not in line]
    return str(found["Requires-Python"]), requirements


def check_versions() -> Iterator[Check]:
    """Python and every required package against the declared ranges."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    python, requirements = declared()
    version = platform.python_version()
    fits = SpecifierSet(python).contains(version, prereleases=True)
    yield Check(
        "Python",
        f"{version} at {sys.executable}",
        "ok" if fits else "wrong",
        "" if fits else f"use Python {python}",
    )
    good = []
    for text in requirements:
        requirement = Requirement(text)
        installed = _installed(requirement.name)
        if installed is not None and requirement.specifier.contains(installed, prereleases=True):
            good.append(f"{requirement.name} {installed}")
            continue
        yield Check(
            requirement.name,
            installed or "not installed",
            "wrong",
            f"pip install '{requirement.name}{requirement.specifier}'",
        )
    yield Check("packages", ", ".join(good))


def _installed(name: str) -> str | None:
    """Version of a package; OpenCV's builds without windows count as OpenCV."""
    for candidate in OPENCV if name == "opencv-python" else (name,):
        try:
            return metadata.version(candidate)
        except metadata.PackageNotFoundError:
            continue
    return None


def check_opencv() -> Iterator[Check]:
    """Whether OpenCV can be loaded and has what features and landmarks need."""
    try:
        import cv2
    except ImportError as error:
        mend = "pip install --force-reinstall --no-deps opencv-python-headless of the same version"
        yield Check("OpenCV", str(error).splitlines()[0], "wrong", mend)
        return
    missing = [name for name in OPENCV_FEATURES if not hasattr(cv2, name)]
    yield Check(
        "OpenCV",
        f"{cv2.__version__}, without {', '.join(missing)}" if missing else cv2.__version__,
        "wrong" if missing else "ok",
        "pip install 'opencv-python<5': version 5 has dropped them" if missing else "",
    )


def check_gpus() -> Iterator[Check]:
    """The GPUs that torch sees, and a GPU that is there but that torch does not see."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Check("GPU", f"{len(names)}: {', '.join(dict.fromkeys(names))}")
    elif Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        mend = "install a CUDA build of torch (https://pytorch.org) that fits the driver"
        yield Check("GPU", f"one is there, torch {torch.__version__} sees none", "wrong", mend)
    else:
        yield Check(
            "GPU",
            "none: networks train on the CPU",
            "note",
            "enough for the demo, not for the paper",
        )


def check_threads() -> Iterator[Check]:
    """Cores, and whether the numeric libraries keep to the share that a job holds."""
    import cv2
    import numpy  # noqa: F401 - its BLAS is what is asked about
    from threadpoolctl import threadpool_info

    from harness.threads import limited_threads

    cores = len(os.sched_getaffinity(0))
    pools = {f"{p['internal_api']} {p['num_threads']}" for p in threadpool_info()}
    before = ", ".join([*sorted(pools), f"OpenCV {cv2.getNumThreads()}"])
    with limited_threads(1):
        stubborn = [p["internal_api"] for p in threadpool_info() if p["num_threads"] != 1]
        stubborn += ["OpenCV"] if cv2.getNumThreads() > 1 else []
    if stubborn:
        found = f"{', '.join(stubborn)} cannot be kept to one thread"
        yield Check("threads", found, "note", "jobs will disturb each other: set OMP_NUM_THREADS=1")
    else:
        yield Check("threads", f"{cores} cores; {before}; each keeps to a job's share")
    allowed = _cpu_quota()
    if allowed is not None and allowed < cores:
        found = f"a limit of {allowed:g} CPUs on {cores} cores"
        yield Check("CPU limit", found, "note", f"run with --cpus {max(1, int(allowed))}")


def _cpu_quota() -> float | None:
    """CPUs that the control group allows, or None."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def check_storage(out: str | Path) -> Iterator[Check]:
    """Places that are written to: rights, locks, free space; and shared memory for Ray."""
    from harness.data.cache import cache_folder
    from harness.data.sources import made_datasets

    places = {"runs": plain_address(out), "cache": str(cache_folder())}
    places |= {"made datasets": made_datasets()} if "AUBENCH_DATASETS" in os.environ else {}
    for name, place in {**places, "/tmp": tempfile.gettempdir()}.items():
        yield check_remote(name, place) if is_remote(place) else check_place(name, Path(place))
    shared = Path("/dev/shm")
    if shared.is_dir():
        size = shutil.disk_usage(shared).total
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        small = size < LEAST_SHARED * memory
        yield Check(
            "shared memory",
            f"{size / GIGABYTE:.1f} GB of {memory / GIGABYTE:.1f} GB memory",
            "note" if small else "ok",
            f"give the container --shm-size={LEAST_SHARED * memory / GIGABYTE:.0f}g or more"
            if small
            else "",
        )


def check_remote(name: str, address: str) -> Check:
    """Whether an object can be written, read and deleted there, and how long that takes."""
    folder = RemoteFolder(address)
    begun = time.perf_counter()
    try:
        folder.check_writable()
    except UserError as error:
        return Check(name, str(error), "wrong", "see object storage in cluster.md")
    seconds = time.perf_counter() - begun
    return Check(name, f"{folder.where()}: written, read and deleted in {seconds:.2f} s")


def check_datasets(addresses: Sequence[str]) -> Iterator[Check]:
    """Whether the prepared datasets at some addresses can be read."""
    from harness.data.places import open_dataset

    for address in addresses:
        try:
            dataset = open_dataset(plain_address(address), patient=False)
        except UserError as error:
            yield Check("dataset", str(error), "wrong", "see object storage in cluster.md")
            continue
        counts = dataset.description["counts"]
        found = f"{dataset.name}: {counts['subjects']} subjects, {counts['frames']} frames"
        yield Check("dataset", found)


def check_place(name: str, folder: Path) -> Check:
    """Whether a folder (or the nearest that exists above it) can be written to and locked in."""
    nearest = next(path for path in [folder, *folder.parents] if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".aubench-doctor-") as file:
            file.write(b"aubench")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        problem = error.strerror or str(error)
        return Check(name, f"{folder}: {problem}", "wrong", f"make {nearest} writable, with locks")
    free = shutil.disk_usage(nearest).free
    found = f"{folder}: {free / GIGABYTE:.1f} GB free"
    if free < LEAST_FREE:
        return Check(name, found, "wrong", "make room: a sweep needs some GB")
    if free < COMFORTABLY_FREE:
        return Check(name, found, "note", "`aubench plan` says how much a suite needs")
    return Check(name, found)


def check_tracking() -> Iterator[Check]:
    """The W&B mode of a sweep that does not say one, and whether a login is there."""
    from harness.tracking.mode import choose_mode, has_key, server

    login = f"a login for {server()}" if has_key() else f"no login for {server()}"
    try:
        mode = choose_mode()
    except UserError as error:
        yield Check("W&B", login, "wrong", str(error))
        return
    mend = "" if has_key() or mode == "disabled" else "to see runs live: wandb login"
    yield Check("W&B", f"{mode}; {login}", "ok", mend)


def check_ray(address: str | None, out: str = "runs") -> Iterator[Check]:
    """Whether Ray starts here, or can be joined, and does a task; what a cluster's nodes see."""
    from harness.engine.cluster import ray_cluster
    from harness.engine.preflight import nodes_that_see
    from harness.engine.spread import spread

    where = address or "a local instance"
    try:
        with ray_cluster(address, cpus=None if address else 1) as resources:
            done: list[Any] = list(spread(len, [(1, 2, 3)]))
            nodes = nodes_that_see(plain_address(out)) if address else []
    except UserError as error:
        mend = "is it the address of a cluster with this Ray and Python? See cluster.md"
        yield Check("Ray", str(error), "wrong", mend if address else "see installing.md")
        return
    held = f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs"
    fine = done == [3]
    yield Check("Ray", f"{where} with {held}", "ok" if fine else "wrong")
    for node, complaint in nodes:
        found = f"{node} {complaint}" if complaint else f"{node} sees {out} and writes there"
        mend = "see the checks in cluster.md" if complaint else ""
        yield Check("node", found, "wrong" if complaint else "ok", mend)
