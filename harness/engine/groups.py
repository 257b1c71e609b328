"""Groups of workers that outlive the task which started them, and how their room is given back.

Ray Train reserves what its workers hold in a placement group. Ray keeps that for as long as the
whole sweep, unless Train gives it back; when the task that waits for the workers is stopped or
lost, nobody would (Train's own cleaner needs Ray's dashboard, which a local instance does not
have), and the next group would wait for ever. Giving the room back also ends the workers in it.
"""

from __future__ import annotations

from collections.abc import Collection

import ray
from ray._raylet import PlacementGroupID
from ray.util import placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup


def own_group() -> str:
    """The placement group that this worker is in; empty if it is in none."""
    return ray.get_runtime_context().get_placement_group_id() or ""


def give_back(group: str) -> None:
    """Ends what runs in a placement group and frees what it holds."""
    remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(group))))


def give_back_all_but(kept: Collection[str]) -> None:
    """The same for every placement group of this Ray instance but those named."""
    for group, entry in placement_group_table().items():
        if group not in kept and entry["state"] != "REMOVED":
            give_back(group)
