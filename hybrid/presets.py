"""How ``size`` presets many options at once: the preset's values stand under those that were given.

What always holds: what is given beside ``size`` overrides it; a part that names its own size keeps
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Size = Literal["paper", "medium", "small"]


def with_preset(data: Any, presets: Mapping[str, Mapping[str, Any]]) -> Any:
    """The preset's values under those that were given; wrong sizes are left to the field check."""
    if not isinstance(data, Mapping):
        return data
    return {**presets.get(str(data.get("size", "paper")), {}), **data}


def size_handed_down(data: Any, *parts: str) -> Any:
    """``size`` of the whole is the ``size`` of each part that does not name its own."""
    if not isinstance(data, Mapping) or "size" not in data:
        return data
    handed = dict(data)
    for part in parts:
        inner = handed.get(part, {})
        if isinstance(inner, Mapping):
            handed[part] = {"size": data["size"], **inner}
    return handed
