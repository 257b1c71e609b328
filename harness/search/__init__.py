"""Choosing options inside the training part of every fold, with Ray Tune and Optuna."""
