"""Matthews' correlation coefficient per AU."""

import numpy as np


def matthews(labels, scores, threshold=0.0):
    known, present, said = labels != 0, labels > 0, scores > threshold
    tp, tn = (known & present & said).sum(axis=0), (known & ~present & ~said).sum(axis=0)
    fp, fn = (known & ~present & said).sum(axis=0), (known & present & ~said).sum(axis=0)
    root = np.sqrt(1.0 * (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, root, out=np.full(root.shape, np.nan), where=root > 0)
