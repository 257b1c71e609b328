"""Predictions of a dataset, as each toolkit would write them."""

import numpy as np
import pandas as pd


def values_of(table, seed=0):
    """Probabilities (N, L) that go with the labels, most of the time."""
    rng = np.random.default_rng(seed)
    noise = 0.25 * rng.standard_normal(table.labels.shape)
    return np.clip(0.5 + 0.3 * table.labels + noise, 0, 1).round(4)


def plain(table, values=None):
    """The plain format."""
    values = values_of(table) if values is None else values
    columns = {f"AU{au}": values[:, i] for i, au in enumerate(table.aus)}
    return pd.DataFrame({"sequence": table.sequences, "number": table.numbers, **columns})


def write_openface(folder, table, values):
    """A file for each sequence, with blanks in the header as OpenFace 2 leaves them; a frame's
    intensity is five times its probability."""
    for sequence in dict.fromkeys(table.sequences):
        rows = table.sequences == sequence
        lines = pd.DataFrame({"frame": table.numbers[rows], "face_id": 0, "timestamp": 0.0})
        lines["confidence"], lines["success"] = 0.98, 1
        for i, au in enumerate(table.aus):
            lines[f"AU{au:02}_r"] = (5 * values[rows, i]).round(4)
        for i, au in enumerate(table.aus):
            lines[f"AU{au:02}_c"] = (values[rows, i] >= 0.5).astype(float)
        text = lines.to_csv(index=False)
        header, _, rest = text.partition("\n")
        file = folder / f"{sequence.split(':')[1].replace('/', '_')}.csv"
        file.write_text(header.replace(",", ", ") + "\n" + rest)


def pyfeat(table, values):
    """One table for all videos, frames counted from 0."""
    stems = [s.split(":")[1].replace("/", "_") for s in table.sequences]
    columns = {f"AU{au:02}": values[:, i] for i, au in enumerate(table.aus)}
    frames = {"FaceRectX": 10.0, "FaceScore": 0.99, **columns}
    data = pd.DataFrame({"frame": table.numbers - 1, **frames})
    data["input"] = [f"/videos/{stem}.mp4" for stem in stems]
    return data


def write_libreface(folder, table, values):
    """A file for each sequence under a folder for each subject, frames counted from 0."""
    for sequence in dict.fromkeys(table.sequences):
        rows = table.sequences == sequence
        lines = pd.DataFrame({"frame_idx": table.numbers[rows] - 1, "frame_time_in_ms": 0.0})
        for i, au in enumerate(table.aus):
            lines[f"au_{au}"] = (values[rows, i] >= 0.5).astype(int)
            lines[f"au_{au}_intensity"] = 5 * values[rows, i]
        file = folder / f"{sequence.split(':')[1]}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines.to_csv(file)
