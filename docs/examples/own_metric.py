"""Matthews' correlation coefficient per AU, of every method of a finished run."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from harness.store import RunStore


def matthews(labels, scores, threshold=0.0):
    known, present, said = labels != 0, labels > 0, scores > threshold
    tp, tn = (known & present & said).sum(axis=0), (known & ~present & ~said).sum(axis=0)
    fp, fn = (known & ~present & said).sum(axis=0), (known & present & ~said).sum(axis=0)
    root = np.sqrt(1.0 * (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, root, out=np.full(root.shape, np.nan), where=root > 0)


if __name__ == "__main__":
    run = RunStore(Path(sys.argv[1]))
    for method in run.plan().methods:
        jobs = [cell.job for cell in run.plan().cells if cell.method == method]
        rows = pd.concat([run.scores(job).query("part == 'test'") for job in jobs])
        parts = [rows.filter(like=name).to_numpy() for name in ("label_AU", "score_AU")]
        print(method, *matthews(*parts).round(2))
