"""A dataset of one's own: a folder of images for each sequence, and one CSV file of codes.

mine/codes.csv           subject,task,frame,AU6,AU12      (1 present, 0 absent, empty unknown)
mine/ann/talk/001.png
"""

import numpy as np
import pandas as pd

from harness.layouts.adapter import Adapter, AdapterOptions, CodedSequence, Discovery
from harness.prepare.decode import ImageFolder


class MineOptions(AdapterOptions):
    aus: tuple[int, ...] = (6, 12)


class Mine(Adapter):
    name = "mine"
    Options = MineOptions

    def discover(self):
        codes = pd.read_csv(self.root / "codes.csv", dtype={"subject": str, "task": str})
        sequences = []
        for (subject, task), rows in codes.sort_values("frame").groupby(["subject", "task"]):
            values = rows[[f"AU{au}" for au in self.options.aus]].to_numpy()
            known = [[-1, 1][int(v)] if v in (0, 1) else 0 for v in values.ravel()]
            numbers = rows["frame"].to_numpy(np.int32)
            sequences.append(
                CodedSequence(
                    subject=f"mine:{subject}",
                    sequence=f"mine:{subject}/{task}",
                    numbers=numbers,
                    labels=np.array(known, np.int8).reshape(values.shape),
                    pictures=ImageFolder(self.root / subject / task, f"{subject}/{task}"),
                    picture_numbers=numbers,
                )
            )
        return Discovery(sequences=sequences)
