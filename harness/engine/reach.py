"""Whether a running Ray cluster can be joined, found out in seconds and said in one line.

Ray itself tries an address for a long time, says little of versions, and of a missing token only in
its log. So before it is let at it: does anything answer there; does it want a token; is it the same
Ray and Python.
"""

from __future__ import annotations

import json
import os
import platform
import socket
from pathlib import Path

from harness.errors import UserError

ANSWER_SECONDS = 5.0
TOKEN_HINT = (
    "set RAY_AUTH_MODE=token here, and its token in ~/.ray/auth_token or RAY_AUTH_TOKEN, as on its "
    "head node"
)


def check_reachable(address: str) -> None:
    """Refuses an address at which no cluster of this Ray and Python can be joined.

    Args:
        address: ``"auto"``, ``host:port`` or ``ray://host:port``.

    Raises:
        UserError: what is wrong with it.
    """
    host, port = _host_and_port(address)
    if host:
        try:
            socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise UserError(
                f"cannot reach the Ray cluster at {address!r}: nothing answers there ({reason}); "
                "is its head node up, and is the port that of `ray start --head --port`?"
            ) from error
    if os.environ.get("RAY_AUTH_MODE") == "token" and not _has_token():
        raise UserError(
            f"cannot reach the Ray cluster at {address!r}: RAY_AUTH_MODE=token is set and there is "
            "no token: put the cluster's in ~/.ray/auth_token or RAY_AUTH_TOKEN"
        )
    if host and not address.startswith("ray://"):
        _check_versions(address)


def _host_and_port(address: str) -> tuple[str, int]:
    """Host and port to knock at; an empty host where Ray is to find the cluster itself."""
    if address == "auto":
        return "", 0
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not host or not port.isdecimal():
        raise UserError(
            f"--address {address!r}: give 'auto' or host:port, for example 10.0.0.1:6379"
        )
    return host.strip("[]"), int(port)


def _has_token() -> bool:
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or file.is_file()


def _check_versions(address: str) -> None:
    """Asks the cluster what it runs. What cannot be asked is left to ``ray.init`` to find out."""
    import ray
    from ray import exceptions

    try:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]

        said = GcsClient(address=address).internal_kv_get(
            b"CLUSTER_METADATA", b"cluster", timeout=ANSWER_SECONDS
        )
        theirs = json.loads(said)
    except exceptions.AuthenticationError as error:
        raise UserError(
            f"the Ray cluster at {address!r} wants a token, or another one: {TOKEN_HINT}"
        ) from error
    except Exception:  # an interface of Ray's own, which may change
        return
    mine = {"Ray": ray.__version__, "Python": platform.python_version()}
    other = {"Ray": theirs.get("ray_version"), "Python": theirs.get("python_version")}
    differ = [
        name
        for name in mine
        if other[name] and _significant(name, mine[name]) != _significant(name, str(other[name]))
    ]
    if differ:
        runs = ", ".join(f"{name} {other[name]}" for name in differ)
        here = ", ".join(f"{name} {mine[name]}" for name in differ)
        raise UserError(
            f"the Ray cluster at {address!r} runs {runs}, this process {here}: use the same here "
            "and on every node"
        )


def _significant(name: str, version: str) -> str:
    """Of Ray all of a version counts, of Python major and minor."""
    return version if name == "Ray" else ".".join(version.split(".")[:2])
