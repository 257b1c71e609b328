"""Files that should differ and do not: the sign of a file copied over another sequence's."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def identical_files(files: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Pairs (file, earlier file) that are equal byte for byte; reads files of equal size only, and
    passes over what is no file (a broken link), which whoever reads it will say."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in files:
        if path.is_file():
            by_size[path.stat().st_size].append(path)
    pairs = []
    for size, group in by_size.items():
        if len(group) < 2 or size == 0:
            continue
        seen: dict[bytes, Path] = {}
        for path in group:
            first = seen.setdefault(hashlib.blake2b(path.read_bytes()).digest(), path)
            if first != path:
                pairs.append((path, first))
    return pairs
