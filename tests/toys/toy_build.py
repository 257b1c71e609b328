"""Small datasets to build, of random frames."""

import numpy as np

from harness.data.building import PreparedBuilder, SequenceFrames, SequenceHeader


def header(name, frames=3):
    return SequenceHeader(subject=f"d:{name}", sequence=f"d:{name}/T1", num_frames=frames)


def frames_of(seed, num_frames=3, num_aus=2):
    rng = np.random.default_rng(seed)
    return SequenceFrames(
        numbers=np.arange(1, num_frames + 1, dtype=np.int32),
        labels=rng.integers(-1, 2, (num_frames, num_aus)).astype(np.int8),
        landmarks=rng.normal(size=(num_frames, 49, 2)).astype(np.float32),
        faces=rng.integers(0, 255, (num_frames, 200, 200, 3)).astype(np.uint8),
        tracked=np.ones(num_frames, bool),
        source=["a.jpg"] * num_frames,
    )


def builder(folder, **changes):
    options = {
        "name": "d",
        "aus": (1, 2),
        "sequences": [header("A"), header("B", 0), header("C", 5)],
        "registration": {"eye_dist": 90},
        "source": {"offset": -1},
    } | changes
    return PreparedBuilder(folder, **options)


def fill(build, order):
    sizes = [s.num_frames for s in build.sequences]
    for position in order:
        build.write(position, frames_of(position, sizes[position]))
    return build.finish()


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
