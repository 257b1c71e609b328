"""Doing a plan's jobs: the work itself, its place under Ray, and the loop that drives it."""
