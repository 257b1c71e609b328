"""Which W&B mode a sweep uses, whether a key is there, and how no key ever reaches a log.

``online`` sends runs while they train; ``offline`` writes files for ``wandb sync``; ``disabled``
costs nothing. Where nobody says which, it is ``online`` with a key and ``offline`` without. Nothing
here imports wandb: a key is looked for in the places that the client itself reads.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import UserError

Mode = Literal["online", "offline", "disabled"]
MODES: tuple[Mode, ...] = ("online", "offline", "disabled")
CLIENT_MODES: dict[str, Mode] = {"run": "online", "shared": "online", "dryrun": "offline"}
DEFAULT_SERVER = "https://api.wandb.ai"


def choose_mode(wanted: str | None = None) -> Mode:
    """The mode to use: what is ``wanted``, else ``$WANDB_MODE``, else by whether a key is there.

    Raises:
        UserError: for an unknown mode, and for ``online`` that is wanted without a key.
    """
    asked = wanted or os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
    mode = CLIENT_MODES.get(asked, asked)
    for known in MODES:
        if mode == known:
            if known == "online" and not has_key():
                raise UserError(
                    "W&B mode 'online' needs a login, and there is none: run `wandb login`, set "
                    "WANDB_API_KEY, or use the mode 'offline'"
                )
            return known
    raise UserError(f"unknown W&B mode {asked!r}: use {', '.join(MODES)}")


def server() -> str:
    """Address of the W&B server: ``$WANDB_BASE_URL``, or the public one."""
    return os.environ.get("WANDB_BASE_URL") or DEFAULT_SERVER


def has_key() -> bool:
    """Whether a login is there: a key in the environment or a netrc file, or an identity token."""
    return any(_keys()) or bool(os.environ.get("WANDB_IDENTITY_TOKEN_FILE"))


def redacted(text: str) -> str:
    """The text with every known key blotted out."""
    for key in _keys():
        text = text.replace(key, "[key]")
    return text


def _keys() -> Iterator[str]:
    key = os.environ.get("WANDB_API_KEY", "").strip()
    if key:
        yield key
    named = os.environ.get("NETRC")
    host = urlsplit(server()).hostname or ""
    for file in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            found = netrc.netrc(file).hosts.get(host)
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
        if found and found[2]:
            yield found[2]
