"""The spatio-temporal neighbourhood of CPM's test stage: which frames should score alike.

The source speaks of spatial and temporal smoothness and gives no formula that we know of (open
question A-1.3), so the graph is a choice:

- ``band_heat``: frames of one sequence at most ``tau`` frame numbers apart, weighted by
  exp(-|x_i - x_j|^2 / s), s the median of those squared distances;
- ``band_binary``: the same edges, all of weight 1;
- ``knn_union``: the band and each frame's ``neighbours`` nearest frames of the subject;
- ``knn_in_band``: of the band, only edges to one of a frame's ``neighbours`` nearest in the band.

Legend: N frames of one subject, D features, E edges, K columns.

What always holds: weights are >= 0 and the Laplacian's rows sum to 0; bands never cross sequences;
a frame whose face was lost has no edge, and the distance over such a gap counts by frame number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

GraphKind = Literal["band_heat", "band_binary", "knn_union", "knn_in_band"]
ROWS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class FrameGraph:
    """Edges (first, second), each once, int64 (E,), with weights float32 (E,)."""

    first_E: torch.Tensor
    second_E: torch.Tensor
    weight_E: torch.Tensor

    @property
    def num_edges(self) -> int:
        """E."""
        return len(self.weight_E)

    def laplacian_times(self, values_NK: torch.Tensor) -> torch.Tensor:
        """(N, K), the Laplacian diag(A 1) - A times ``values_NK``."""
        product_NK = torch.zeros_like(values_NK)
        flow_EK = values_NK[self.first_E] - values_NK[self.second_E]
        flow_EK *= self.weight_E[:, None].to(flow_EK.dtype)
        product_NK.index_add_(0, self.first_E, flow_EK)
        product_NK.index_add_(0, self.second_E, flow_EK, alpha=-1)
        return product_NK


def smoothness_graph(
    rows_ND: torch.Tensor,
    sequences_N: np.ndarray,
    numbers_N: np.ndarray,
    tracked_N: np.ndarray,
    *,
    kind: GraphKind = "band_heat",
    tau: int = 5,
    neighbours: int = 5,
) -> FrameGraph:
    """The graph of one subject's frames, in whatever order they come."""
    edges_E2 = _band(sequences_N, numbers_N, tracked_N, tau)
    if kind == "knn_in_band":
        edges_E2 = _nearest_in_band(rows_ND, edges_E2, neighbours)
    if kind == "knn_union":
        more_E2 = _nearest(rows_ND, np.flatnonzero(tracked_N), neighbours)
        edges_E2 = np.unique(np.sort(np.concatenate([edges_E2, more_E2]), axis=1), axis=0)
    edges = torch.as_tensor(edges_E2, dtype=torch.int64, device=rows_ND.device)
    first_E, second_E = edges[:, 0], edges[:, 1]
    weight_E = torch.ones(len(edges), device=rows_ND.device)
    if kind != "band_binary" and len(edges):
        distance_E = _squared_distances(rows_ND, first_E, second_E)
        scale = float(distance_E.median())
        if scale > 0:
            weight_E = torch.exp(-distance_E / scale)
    return FrameGraph(first_E=first_E, second_E=second_E, weight_E=weight_E)


def _band(
    sequences_N: np.ndarray, numbers_N: np.ndarray, tracked_N: np.ndarray, tau: int
) -> np.ndarray:
    """int64 (E, 2): tracked frames of one sequence at most ``tau`` numbers apart."""
    _, codes_N = np.unique(sequences_N.astype(str), return_inverse=True)
    order = np.lexsort((numbers_N, codes_N))
    order = order[np.asarray(tracked_N)[order]]
    codes, numbers = codes_N[order], np.asarray(numbers_N)[order].astype(np.int64)
    edges = [np.empty((0, 2), np.int64)]
    for apart in range(1, min(tau, len(order) - 1) + 1):
        near = (codes[apart:] == codes[:-apart]) & (numbers[apart:] - numbers[:-apart] <= tau)
        edges.append(np.stack([order[:-apart][near], order[apart:][near]], axis=1))
    return np.concatenate(edges)


def _squared_distances(
    rows_ND: torch.Tensor, first_E: torch.Tensor, second_E: torch.Tensor
) -> torch.Tensor:
    parts = [
        (rows_ND[a] - rows_ND[b]).square().sum(dim=1)
        for a, b in zip(first_E.split(ROWS_AT_ONCE), second_E.split(ROWS_AT_ONCE), strict=True)
    ]
    return torch.cat(parts)


def _nearest(rows_ND: torch.Tensor, usable: np.ndarray, neighbours: int) -> np.ndarray:
    """(E, 2): each usable frame with its nearest usable others."""
    if len(usable) < 2:
        return np.empty((0, 2), np.int64)
    chosen = rows_ND[torch.as_tensor(usable, device=rows_ND.device)]
    count = min(neighbours, len(usable) - 1)
    edges = []
    for start in range(0, len(usable), ROWS_AT_ONCE):
        distance = torch.cdist(chosen[start : start + ROWS_AT_ONCE], chosen)
        own = torch.arange(len(distance), device=distance.device)
        distance[own, own + start] = torch.inf
        found = distance.topk(count, largest=False).indices.cpu().numpy()
        mine = np.repeat(usable[start : start + len(found)], count)
        edges.append(np.stack([mine, usable[found.ravel()]], axis=1))
    return np.concatenate(edges)


def _nearest_in_band(rows_ND: torch.Tensor, edges_E2: np.ndarray, neighbours: int) -> np.ndarray:
    """The edges that lead to one of the nearest band neighbours of either end."""
    if not len(edges_E2):
        return edges_E2
    edges = torch.as_tensor(edges_E2, device=rows_ND.device)
    distance_E = _squared_distances(rows_ND, edges[:, 0], edges[:, 1]).cpu().numpy()
    ends = np.concatenate([edges_E2[:, 0], edges_E2[:, 1]])
    order = np.lexsort((np.concatenate([distance_E, distance_E]), ends))
    starts = np.flatnonzero(np.r_[True, np.diff(ends[order]) != 0])
    lengths = np.diff(np.r_[starts, len(order)])
    rank = np.arange(len(order)) - np.repeat(starts, lengths)
    keep = np.zeros(len(edges_E2), dtype=bool)
    keep[order[rank < neighbours] % len(edges_E2)] = True
    return edges_E2[keep]
