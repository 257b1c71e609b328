"""Gabor magnitudes, the holistic appearance feature that the paper compares with (Fig. 4).

    psi(z) = |k|^2 / sigma^2 exp(-|k|^2 |z|^2 / (2 sigma^2)) (exp(i k'z) - exp(-sigma^2 / 2))

with 5 scales |k| = (pi / 2) / sqrt(2)^v and 8 orientations pi m / 8, sigma = 2 pi: wavelengths of 4
to 16 px. The face is made gray, 96 x 96, of mean 0 and variance 1, filtered by FFT (so the picture
wraps round at its border), and each magnitude map is averaged to a 16 x 16 grid: 40 x 256 = 10,240
values, map after map. The paper prints no parameters; these are the customary ones of face
recognition.

What always holds: values are >= 0 and do not change with the brightness and contrast of the whole
face; a flat face, and a lost one (landmarks not finite), gives a row of zeros.
"""

from __future__ import annotations

import numpy as np

from baselines.features.threads import over_frames
from harness.errors import UserError

SIDE = 96
SCALES = 5
ORIENTATIONS = 8
SIGMA = 2 * np.pi
NUM_LANDMARKS = 49
AT_LANDMARKS = "at_landmarks"


class Gabor:
    """Extractor of Gabor magnitudes.

    Args:
        pool: side of the grid that each map is averaged to (8, 16 or 24), or ``"at_landmarks"`` for
            the 40 magnitudes at each of the 49 landmarks (1,960 values, landmark after landmark).
    """

    code_version = 1

    def __init__(self, *, pool: int | str = 16) -> None:
        if pool not in (8, 16, 24, AT_LANDMARKS):
            raise UserError(f"Gabor: pool {pool!r} must be 8, 16, 24 or {AT_LANDMARKS!r}")
        self.pool = pool
        maps = SCALES * ORIENTATIONS
        places = NUM_LANDMARKS if isinstance(pool, str) else pool**2
        self.dimension = maps * places
        self._responses_MHW = _frequency_responses()

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, D) from uint8 RGB ``faces`` (N, H, W, 3) and ``landmarks`` (N, 49, 2)."""
        features_ND = np.zeros((len(faces), self.dimension), np.float32)

        def some_frames(rows: np.ndarray) -> None:
            for i in rows:
                features_ND[i] = self._describe(faces[i], landmarks[i])

        over_frames(some_frames, np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2))))
        return features_ND

    def _describe(self, face_HWC: np.ndarray, landmarks_K2: np.ndarray) -> np.ndarray:
        import cv2
        from scipy import fft

        gray = cv2.cvtColor(np.ascontiguousarray(face_HWC), cv2.COLOR_RGB2GRAY).astype(np.float32)
        small = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        deviation = small.std()
        if deviation < 1e-3:
            return np.zeros(self.dimension, np.float32)
        spectrum_HW = fft.fft2((small - small.mean()) / deviation)
        magnitudes_MHW = np.abs(fft.ifft2(spectrum_HW * self._responses_MHW, overwrite_x=True))
        if isinstance(self.pool, str):
            return self._at_landmarks(magnitudes_MHW, landmarks_K2 * (SIDE / len(face_HWC)))
        cell = SIDE // self.pool
        maps = len(magnitudes_MHW)
        pooled = magnitudes_MHW.reshape(maps, self.pool, cell, self.pool, cell).mean(axis=(2, 4))
        return pooled.ravel()

    def _at_landmarks(self, magnitudes_MHW: np.ndarray, points_K2: np.ndarray) -> np.ndarray:
        import cv2

        x = np.ascontiguousarray(points_K2[:, 0], np.float32)
        y = np.ascontiguousarray(points_K2[:, 1], np.float32)
        jets_MK = [
            cv2.remap(m, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
            for m in magnitudes_MHW
        ]
        return np.stack(jets_MK, axis=1).ravel()


def _frequency_responses() -> np.ndarray:
    """float32 (40, 96, 96): the filters' responses, which are real; scale after scale."""
    offsets = np.fft.fftfreq(SIDE, 1 / SIDE)
    # The offset of half a picture stands for both of its ends: its filter value is their mean,
    # which is real, and the response then is real as well.
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    responses = []
    for scale in range(SCALES):
        frequency = (np.pi / 2) / np.sqrt(2) ** scale
        window = np.exp(-(frequency**2) * (x**2 + y**2) / (2 * SIGMA**2))
        for orientation in range(ORIENTATIONS):
            angle = np.pi * orientation / ORIENTATIONS
            phase = frequency * (np.cos(angle) * x + np.sin(angle) * y)
            # Subtracting the same multiple of the window takes out the mean exactly on this grid.
            wave = np.exp(1j * phase)
            wave -= (window * wave).sum() / window.sum()
            response = np.fft.fft2(frequency**2 / SIGMA**2 * window * wave)
            responses.append(response.real)
    return np.stack(responses).astype(np.float32)
