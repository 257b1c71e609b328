"""Synthetic faces that behave like FACS-coded video: labels first, then pixels that show them."""
