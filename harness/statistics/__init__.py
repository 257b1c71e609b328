"""How sure one may be: bootstrap over subjects, tests over blocks, practical equivalence."""

from harness.statistics.bootstrap import bootstrap, bootstrap_difference
from harness.statistics.equivalence import SignedRank, bayesian_signed_rank
from harness.statistics.ranks import RankComparison, compare_ranks, holm

__all__ = [
    "RankComparison",
    "SignedRank",
    "bayesian_signed_rank",
    "bootstrap",
    "bootstrap_difference",
    "compare_ranks",
    "holm",
]
