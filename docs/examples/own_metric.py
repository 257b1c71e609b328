"""Matthews' correlation coefficient per AU, of every method of a finished run."""

import sys
from pathlib import Path

import numpy as np

from harness.metrics import ScoredFrames, find_metric
from harness.store import RunStore
from reports.measure import scored_frames


def matthews(labels, scores, threshold=0.0):
    known, present, said = labels != 0, labels > 0, scores > threshold
    tp, tn = (known & present & said).sum(axis=0), (known & ~present & ~said).sum(axis=0)
    fp, fn = (known & ~present & said).sum(axis=0), (known & present & ~said).sum(axis=0)
    root = np.sqrt(1.0 * (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, root, out=np.full(root.shape, np.nan), where=root > 0)


if __name__ == "__main__":
    run = RunStore(Path(sys.argv[1]))
    metric = find_metric("own_metric:matthews")
    for method in run.plan().methods:
        cells = [cell for cell in run.plan().cells if cell.method == method]
        tables = [(run.scores(cell.job), cell.fold) for cell in cells]
        folds = [scored_frames(t[t["part"] == "test"], fold) for t, fold in tables]
        print(method, metric(ScoredFrames.concatenate(folds)).round(3))
