"""DesignMatrix: the rows of a feature, kept in half precision, multiplied in single precision.

Every linear method here spends its time in two products, ``X V`` and ``X' R``, with a few dozen
columns. Both run in chunks of rows: a chunk is widened to float32, used for both products while it
is warm, and let go, so that 250,000 x 6,272 float16 (3.1 GB) trains within 12 GB.

Legend of array suffixes: N frames, D features, K columns (one linear problem each), B rows of a
chunk.

What always holds: products come with their columns stored one after the other, as the solvers work
column by column; the regularised bias of LIBLINEAR's ``-B`` is a last, constant entry of every row
that is never stored: weights carry D + 1 rows, the last of them the bias weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from baselines.feature_rows import WIDE_BYTES

CHUNK_BYTES = 64 << 20
FEW_COLUMNS = 3


class DesignMatrix:
    """Rows on a device, read in chunks.

    Args:
        features_ND: float16 or float32 (N, D), a numpy array or a tensor; kept in its own
        precision. scale_N: float32 (N,) factor of each row, such as one over its length; none if
        not given. bias: the constant last entry of each row, 0 for a model without bias. device:
        torch device that holds the rows and does the products.
    """

    def __init__(
        self,
        features_ND: np.ndarray | torch.Tensor,
        *,
        scale_N: np.ndarray | None = None,
        bias: float = 1.0,
        device: str = "cpu",
    ) -> None:
        if isinstance(features_ND, np.ndarray):
            if features_ND.dtype not in (np.float16, np.float32):
                features_ND = features_ND.astype(np.float32)
            if not features_ND.flags.writeable or not features_ND.flags.c_contiguous:
                features_ND = np.array(features_ND, order="C")
            features_ND = torch.from_numpy(features_ND)
        self.rows_ND = features_ND.to(device)
        self.scale_N1 = None if scale_N is None else as_float32(scale_N, device)[:, None]
        # Rows that fit are widened (and scaled) once instead of at every pass.
        if self.rows_ND.numel() * 4 <= WIDE_BYTES:
            self.rows_ND = self._wide(slice(None))
            self.scale_N1 = None
        self.bias = float(bias)
        self.device = self.rows_ND.device
        row_bytes = 4 * max(1, self.rows_ND.shape[1])
        self.chunk = max(256, CHUNK_BYTES // row_bytes)

    @property
    def num_rows(self) -> int:
        """N."""
        return int(self.rows_ND.shape[0])

    @property
    def dimension(self) -> int:
        """D, the bias entry not counted."""
        return int(self.rows_ND.shape[1])

    def chunks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """(rows, float32 (B, D)) over all rows, in order."""
        for start in range(0, self.num_rows, self.chunk):
            rows = slice(start, min(start + self.chunk, self.num_rows))
            yield rows, self._wide(rows)

    def _wide(self, rows: slice) -> torch.Tensor:
        chunk_BD = self.rows_ND[rows].float()
        return chunk_BD if self.scale_N1 is None else chunk_BD * self.scale_N1[rows]

    def sample(self, stride: int) -> torch.Tensor:
        """float32 (M, D): every ``stride``-th row."""
        return self._wide(slice(None, None, stride))

    def zeros(self, num_columns: int) -> torch.Tensor:
        """float32 (D + 1, K) of zeros on the matrix's device."""
        return torch.zeros(num_columns, self.dimension + 1, device=self.device).T

    def times_chunk(self, chunk_BD: torch.Tensor, weights_DK: torch.Tensor) -> torch.Tensor:
        """float32 (B, K), one chunk times ``weights_DK`` (D + 1, K)."""
        # As rows of the transposed product, which the library multiplies twice as fast; two or
        # three columns are faster as columns.
        columns_KD = weights_DK[:-1].T.contiguous()
        few = len(columns_KD) <= FEW_COLUMNS
        product_BK = chunk_BD @ columns_KD.T if few else (columns_KD @ chunk_BD.T).T
        return product_BK.add_(self.bias * weights_DK[-1])

    def add_transposed_chunk(
        self, into_DK: torch.Tensor, chunk_BD: torch.Tensor, values_BK: torch.Tensor
    ) -> None:
        """Adds the transposed chunk times ``values_BK`` to ``into_DK`` (D + 1, K)."""
        # Not chunk' values: with two to eight columns that product is some twenty times slower.
        into_DK[:-1] += (values_BK.T.contiguous() @ chunk_BD).T
        if self.bias:
            into_DK[-1] += self.bias * values_BK.sum(dim=0)

    def times(self, weights_DK: torch.Tensor) -> torch.Tensor:
        """float32 (N, K), all rows times ``weights_DK`` (D + 1, K)."""
        out_NK = torch.empty(weights_DK.shape[1], self.num_rows, device=self.device).T
        for rows, chunk_BD in self.chunks():
            out_NK[rows] = self.times_chunk(chunk_BD, weights_DK)
        return out_NK

    def transposed_times(self, values_NK: torch.Tensor) -> torch.Tensor:
        """float32 (D + 1, K), the transposed rows times ``values_NK`` (N, K)."""
        out_DK = self.zeros(values_NK.shape[1])
        for rows, chunk_BD in self.chunks():
            self.add_transposed_chunk(out_DK, chunk_BD, values_NK[rows])
        return out_DK


def as_float32(array: Any, device: str | torch.device) -> torch.Tensor:
    """A float32 tensor on ``device`` from anything that numpy can read."""
    return torch.as_tensor(np.asarray(array, dtype=np.float32), device=device)
