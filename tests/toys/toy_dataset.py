"""A tiny prepared dataset with brightness that follows its first AU."""

import numpy as np

from harness.data.building import PreparedBuilder, SequenceFrames, SequenceHeader

AUS = (1, 2, 12)


def build_toy_dataset(folder, name="toy", subjects=6, frames=20, seed=0, aus=AUS):
    """A prepared dataset whose faces are brighter where the first AU is present."""
    rng = np.random.default_rng(seed)
    headers = [
        SequenceHeader(
            subject=f"{name}:S{s:03}", sequence=f"{name}:S{s:03}/T{t}", num_frames=frames
        )
        for s in range(1, subjects + 1)
        for t in (1, 2)
    ]
    builder = PreparedBuilder(
        folder,
        name=name,
        aus=aus,
        sequences=headers,
        registration={"toy": True},
        source={"seed": seed},
    )
    for position in builder.pending():
        labels = rng.choice([-1, 1], (frames, len(aus))).astype(np.int8)
        labels[0, 1] = 0
        level = np.where(labels[:, 0] > 0, 160, 90) + rng.integers(-20, 20, frames)
        faces = np.broadcast_to(level[:, None, None, None], (frames, 200, 200, 3)).astype(np.uint8)
        landmarks = rng.uniform(60, 140, (frames, 49, 2)).astype(np.float32)
        builder.write(
            position,
            SequenceFrames(
                numbers=np.arange(1, frames + 1, dtype=np.int32),
                labels=labels,
                landmarks=landmarks,
                faces=faces,
                tracked=np.ones(frames, bool),
                source=[f"{i}.jpg" for i in range(frames)],
            ),
        )
    return builder.finish()
