"""Ridge regression on faces of 20 x 20 grey pixels: a method in one file."""

import numpy as np
from sklearn.linear_model import Ridge

from harness.method import Method


def pixels(frames):
    return np.array([face[::10, ::10].mean(axis=2).ravel() / 255 for face in frames.faces])


class PixelModel:
    def __init__(self, weights, bias):
        self.weights, self.bias = weights, bias

    def scores(self, frames):  # (N, L), above 0 means present
        return pixels(frames) @ self.weights.T + self.bias

    def save(self, folder):
        np.savez(folder / "model.npz", weights=self.weights, bias=self.bias)


class Pixels(Method):
    def fit(self, train, validation, context):
        faces, labels = pixels(train), train.labels  # -1 absent, 0 unknown, +1 present
        machines = [Ridge(10).fit(faces[au != 0], au[au != 0]) for au in labels.T]
        weights = np.array([m.coef_ for m in machines])
        return PixelModel(weights, np.array([m.intercept_ for m in machines]))

    @classmethod
    def load(cls, folder):
        return PixelModel(**np.load(folder / "model.npz"))
