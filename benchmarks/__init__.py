"""Benchmarks: each module prints its figures as ratios against the obvious alternative."""
