"""The output of a network file of yours: TorchScript (``.pt``, ``.pth``, ``.ts``) or ONNX.

The paper's Fig. 3 compares with the VGG-Face descriptor, whose weights may not be shipped with this
package: any such network enters here. It takes float32 (N, 3, size, size) and gives (N, ...), which
is flattened. ONNX needs the package ``onnxruntime``, TorchScript nothing more.

What always holds: only the file is run, no Python code is loaded with it; a lost face (landmarks
not finite) gives a row of zeros. A stored feature is known by the file's path: give a changed
network a new name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.errors import UserError

BATCH = 32
TORCHSCRIPT = (".pt", ".pth", ".ts")


class NetworkFile:
    """Extractor that runs a network over the registered faces.

    Args:
        file: path of the network.
        size: side in pixels that faces are resized to.
        channels: ``"rgb"`` or ``"bgr"``, the order of the colours that the network was trained on.
        mean: subtracted from each channel, of values 0 to 255, in the order of ``channels``.
        scale: multiplies what is left, such as 1/255.
        device: torch device for TorchScript.
    """

    code_version = 1

    def __init__(
        self,
        *,
        file: str,
        size: int = 224,
        channels: str = "rgb",
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0),
        scale: float = 1.0,
        device: str = "cpu",
    ) -> None:
        if channels not in ("rgb", "bgr"):
            raise UserError(f"network {file}: channels {channels!r} must be 'rgb' or 'bgr'")
        path = Path(file)
        if not path.is_file():
            raise UserError(f"network {file}: there is no such file")
        self.file, self.size, self.channels = file, size, channels
        self._mean_C = np.asarray(mean, dtype=np.float32)
        self._scale = np.float32(scale)
        self._run = _opened(path, device)
        self.dimension = int(self._output(np.zeros((1, 3, size, size), np.float32)).shape[1])

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, D) from uint8 RGB ``faces`` (N, H, W, 3) and ``landmarks`` (N, 49, 2)."""
        features_ND = np.zeros((len(faces), self.dimension), np.float32)
        tracked = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        for first in range(0, len(tracked), BATCH):
            rows = tracked[first : first + BATCH]
            features_ND[rows] = self._output(self._pictures(faces[rows]))
        return features_ND

    def _pictures(self, faces_NHWC: np.ndarray) -> np.ndarray:
        import cv2

        side = (self.size, self.size)
        resized = [cv2.resize(face, side, interpolation=cv2.INTER_AREA) for face in faces_NHWC]
        pictures_NHWC = np.stack(resized).astype(np.float32)
        if self.channels == "bgr":
            pictures_NHWC = pictures_NHWC[..., ::-1]
        pictures_NHWC = (pictures_NHWC - self._mean_C) * self._scale
        return np.ascontiguousarray(pictures_NHWC.transpose(0, 3, 1, 2))

    def _output(self, pictures_NCHW: np.ndarray) -> np.ndarray:
        try:
            output = self._run(pictures_NCHW)
        except Exception as error:
            first_line = str(error).strip().splitlines()[-1] if str(error).strip() else type(error)
            raise UserError(
                f"network {self.file} does not run on float32 (N, 3, {self.size}, {self.size}): "
                f"{first_line}"
            ) from error
        if not isinstance(output, np.ndarray) or len(output) != len(pictures_NCHW):
            raise UserError(f"network {self.file} must give one array with a row for each face")
        return output.reshape(len(output), -1).astype(np.float32)


def _opened(path: Path, device: str) -> Callable[[np.ndarray], object]:
    if path.suffix in TORCHSCRIPT:
        return _torchscript(path, device)
    if path.suffix == ".onnx":
        return _onnx(path)
    raise UserError(
        f"network {path}: the name must end in {', '.join(TORCHSCRIPT)} (TorchScript) or .onnx"
    )


def _torchscript(path: Path, device: str) -> Callable[[np.ndarray], object]:
    import torch

    try:
        network = torch.jit.load(str(path), map_location=device).eval()
    except RuntimeError as error:
        raise UserError(
            f"network {path} is not a TorchScript file: save it with torch.jit.save"
        ) from error

    def run(pictures_NCHW: np.ndarray) -> object:
        with torch.inference_mode():
            output = network(torch.from_numpy(pictures_NCHW).to(device))
        return output.cpu().numpy() if isinstance(output, torch.Tensor) else output

    return run


def _onnx(path: Path) -> Callable[[np.ndarray], object]:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UserError(
            f"network {path}: reading ONNX needs the package onnxruntime; install it with "
            "'pip install onnxruntime', or save the network as TorchScript"
        ) from error
    import cv2

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, cv2.getNumThreads())  # this process's share of cores
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises whatever its parser stumbles over
        raise UserError(f"network {path} is not an ONNX network that can be read") from error
    if len(session.get_inputs()) != 1:
        names = [entry.name for entry in session.get_inputs()]
        raise UserError(f"network {path} must have one input, the faces; it has {names}")
    (entry,) = session.get_inputs()
    fixed = entry.shape[0] if entry.shape and isinstance(entry.shape[0], int) else None

    def run(pictures_NCHW: np.ndarray) -> object:
        if fixed is None:
            return session.run(None, {entry.name: pictures_NCHW})[0]
        # exported for one size of batch: the last one is filled up
        size = -(-len(pictures_NCHW) // fixed) * fixed
        filled = np.resize(pictures_NCHW, (size, *pictures_NCHW.shape[1:]))
        parts = np.split(filled, size // fixed)
        outputs = [session.run(None, {entry.name: part})[0] for part in parts]
        return np.concatenate(outputs)[: len(pictures_NCHW)]

    return run
