"""Files that should differ and do not: the sign of a file copied over another sequence's."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from harness.layouts.adapter import Kind, Problem


def identical_files(
    files: Sequence[tuple[Path, str]], kind: Kind, *, fault: bool = True
) -> list[Problem]:
    """A problem for every file that equals an earlier one byte for byte.

    Args:
        files: (path, how messages show it), in order. Only files of equal size are read.
        fault: whether that is wrong, or only worth knowing (short code files may agree by chance).
    """
    by_size: dict[int, list[tuple[Path, str]]] = defaultdict(list)
    for path, place in files:
        by_size[path.stat().st_size].append((path, place))
    problems = []
    for size, group in by_size.items():
        if len(group) < 2 or size == 0:
            continue
        seen: dict[bytes, str] = {}
        for path, place in group:
            digest = hashlib.blake2b(path.read_bytes()).digest()
            if digest in seen:
                what = f"is the same file as {seen[digest]}: one may be another sequence's"
                problems.append(Problem(kind=kind, place=place, what=what, fault=fault))
            seen.setdefault(digest, place)
    return problems
