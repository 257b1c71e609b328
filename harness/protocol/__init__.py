"""How subjects are split: protocols, balanced folds, published lists, the guard against leaks."""

from harness.protocol.describe import describe_splits
from harness.protocol.groups import GFT_GROUP, groups_by_pattern
from harness.protocol.guard import check_disjoint, check_unseen, linked_subjects
from harness.protocol.lists import write_list
from harness.protocol.split import PARTS, Split
from harness.protocol.splits import (
    PROTOCOLS,
    check_protocol,
    cross_dataset_split,
    make_splits,
    other_dataset_split,
    shared_aus,
)

__all__ = [
    "GFT_GROUP",
    "PARTS",
    "PROTOCOLS",
    "Split",
    "check_disjoint",
    "check_protocol",
    "check_unseen",
    "cross_dataset_split",
    "describe_splits",
    "groups_by_pattern",
    "linked_subjects",
    "make_splits",
    "other_dataset_split",
    "shared_aus",
    "write_list",
]
