"""Weights & Biases as a mirror of the run folder: the store is the truth, W&B shows it."""
