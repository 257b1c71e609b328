"""Object storage by address: what runs and datasets need of `s3://` and `gs://`, and no more.

An address is a path (local or NFS, also `file://…`) or, for object storage, what
``pyarrow.fs.FileSystem.from_uri`` takes: ``s3://bucket/folder``, with ``?endpoint_override=…`` and
``region=…`` for other servers than Amazon's (or ``AWS_ENDPOINT_URL``), or ``gs://bucket/folder``,
``gs://anonymous@bucket/folder`` for a public one.
Keys and passwords never stand in an address, because addresses stand in plans and messages.

What holds of an object store, and all that is built on: an object is written whole or not at all, a
read after a write sees it, and a listing after a write names it. There is no rename and no lock.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import get_ident
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from harness.errors import UserError

SCHEMES = ("s3", "gs", "gcs")
GOOGLE = ("gs://", "gcs://")
AT_ONCE = 16  # requests in flight when many files are moved
CONNECT_SECONDS = 5
REQUEST_SECONDS = 60
GOOGLE_RETRY_SECONDS = 5  # how long pyarrow goes on by itself, twice for a write
PATIENCE = (1, 2, 4, 8, 16, 30)  # seconds between tries when the storage cannot be reached
PASSING = (  # what pyarrow says of troubles that pass
    "NETWORK_CONNECTION",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "SLOW_DOWN",
    "INTERNAL_FAILURE",
    "THROTTL",
    "REQUEST_TIMEOUT",
    "timed out",
    "Connection reset",
)
T = TypeVar("T")


class StorageError(UserError):
    """Object storage refused or could not be reached; says where and why, in one line."""


def is_remote(address: str | Path) -> bool:
    """Whether an address is on object storage."""
    return isinstance(address, str) and address.partition("://")[0] in SCHEMES and "://" in address


def plain_address(address: str | Path, base: Path | None = None) -> str:
    """An address in its one spelling: an absolute path, or a checked object-storage address.

    Raises:
        UserError: for another scheme, an address without a bucket, or one that holds a secret.
    """
    text = str(address)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return str(((base or Path.cwd()) / Path(text).expanduser()).resolve())
    if scheme == "file":
        return str(Path(unquote(rest)).resolve())
    if scheme not in SCHEMES:
        raise UserError(f"{text}: unknown kind of storage {scheme!r}: give a path, s3:// or gs://")
    parts = urlsplit(text)
    keys = parts.netloc.rpartition("@")[0]
    public = keys == "anonymous" and text.startswith(GOOGLE)
    if keys and not public:
        raise UserError(
            f"{scheme}://…@{parts.netloc.rpartition('@')[2]}: an address must hold no keys; give "
            "them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not parts.netloc or not parts.path.strip("/"):
        raise UserError(f"{text}: give a bucket and a folder in it, {scheme}://bucket/folder")
    return urlunsplit((scheme, parts.netloc, "/" + parts.path.strip("/"), parts.query, ""))


def last_name(address: str | Path) -> str:
    """The last part of an address's path."""
    return Path(urlsplit(str(address)).path if is_remote(address) else address).name


@dataclass(frozen=True)
class Found:
    """An object in a listing: its bytes, and when the storage's own clock says it was written."""

    size: int
    written: float


class RemoteFolder:
    """A folder on object storage. Names are relative to it, with ``/`` between their parts.

    Args:
        address: of the folder, as ``plain_address`` gives it.
        patient: whether what fails in passing is tried again for a minute; a check is not patient.
    """

    def __init__(self, address: str, *, patient: bool = True) -> None:
        self.address = plain_address(address)
        self.patient = patient

    def __reduce__(self) -> tuple[Any, ...]:
        return (RemoteFolder, (self.address,))

    def child(self, name: str) -> RemoteFolder:
        """A folder in this one."""
        parts = urlsplit(self.address)
        inner = urlunsplit(parts._replace(path=f"{parts.path}/{name}"))
        return RemoteFolder(inner, patient=self.patient)

    def where(self, name: str = "") -> str:
        """For messages: address of an object, without the query."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"/{name}" if name else "")

    @cached_property
    def opened(self) -> tuple[Any, str]:
        """pyarrow's filesystem and the folder's path on it."""
        from pyarrow import fs

        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", _no_metadata())
        address = self.address
        if address.startswith(GOOGLE) and "retry_limit_seconds" not in address:
            limit = f"retry_limit_seconds={GOOGLE_RETRY_SECONDS}"
            address += ("&" if "?" in address else "?") + limit
        try:
            filesystem, path = fs.FileSystem.from_uri(address)
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise StorageError(f"{self.where()}: {_reason(error)}") from error
        if address.startswith("s3://"):
            options = dict(filesystem.__reduce__()[1][0])
            options |= {
                "connect_timeout": CONNECT_SECONDS,
                "request_timeout": REQUEST_SECONDS,
                "allow_delayed_open": True,  # a small object in one request
                "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=3),
            }
            filesystem = fs.S3FileSystem(**options)
        return filesystem, path.rstrip("/")

    def _try(self, name: str, act: Callable[[Any, str], T]) -> T:
        """Does something with an object; tries again where the storage is away in passing."""
        for pause in (*PATIENCE, None) if self.patient else (None,):
            filesystem, root = self.opened
            try:
                return act(filesystem, f"{root}/{name}" if name else root)
            except FileNotFoundError:
                raise
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise  # this machine's disk, not the storage
                if pause is None or not any(word in str(error) for word in PASSING):
                    raise StorageError(f"{self.where(name)}: {_reason(error)}") from error
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _put(self, name: str, act: Callable[[Any, str], None]) -> None:
        """Does something that writes an object: what the storage does not find is its bucket."""
        try:
            self._try(name, act)
        except FileNotFoundError as error:
            if error.filename:
                raise  # a file of this machine
            raise StorageError(f"{self.where(name)}: {ADVICE['NO_SUCH_BUCKET']}") from error

    def read(self, name: str) -> bytes | None:
        """The bytes of an object, or None if there is none of that name."""

        def act(filesystem: Any, path: str) -> bytes:
            with filesystem.open_input_file(path) as stream:
                return bytes(stream.read())

        try:
            return self._try(name, act)
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Writes an object, whole, over what was there."""

        def act(filesystem: Any, path: str) -> None:
            with filesystem.open_output_stream(path) as stream:
                stream.write(data)

        self._put(name, act)

    def delete(self, names: Iterable[str]) -> None:
        """Deletes objects; one that is gone already is no error."""

        def delete(name: str) -> None:
            with suppress(FileNotFoundError):
                self._try(name, lambda filesystem, path: filesystem.delete_file(path))

        _all_of(delete, list(names))

    def exists(self, name: str) -> bool:
        """Whether an object of that name is there."""
        return bool(self._try(name, lambda fs, path: fs.get_file_info(path)).is_file)

    def listing(self, name: str = "", *, deep: bool = False) -> dict[str, Found]:
        """Objects in a folder (``deep``: and below), by their name relative to it; one request a
        thousand. Empty if there is no such folder."""
        from pyarrow import fs

        def act(filesystem: Any, path: str) -> dict[str, Found]:
            selector = fs.FileSelector(path, recursive=deep, allow_not_found=True)
            return {
                info.path[len(path) + 1 :]: Found(info.size, (info.mtime_ns or 0) / 1e9)
                for info in filesystem.get_file_info(selector)
                if info.is_file
            }

        return self._try(name, act)

    def folders(self, name: str = "") -> set[str]:
        """Names of the folders in a folder."""
        from pyarrow import fs

        # Google's lists a folder only where somebody made it, and goes through all in either case.
        flat = self.address.startswith(GOOGLE)

        def act(filesystem: Any, path: str) -> set[str]:
            selector = fs.FileSelector(path, recursive=flat, allow_not_found=True)
            found = [
                (info.path[len(path) + 1 :].partition("/"), info.is_file)
                for info in filesystem.get_file_info(selector)
            ]
            return {first for (first, inside, _), is_file in found if inside or not is_file}

        return self._try(name, act)

    def send(self, files: Mapping[str, Path]) -> None:
        """Uploads files under the given names, several at once."""
        import shutil

        def send(name: str) -> None:
            def act(filesystem: Any, path: str) -> None:
                with files[name].open("rb") as source, filesystem.open_output_stream(path) as sink:
                    shutil.copyfileobj(source, sink, 1 << 22)

            self._put(name, act)

        _all_of(send, list(files))

    def fetch(self, files: Mapping[str, Path]) -> None:
        """Downloads objects, each written aside and renamed to its place.

        Raises:
            FileNotFoundError: one of them is not there.
        """

        def fetch(name: str) -> None:
            target = files[name]
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f"{target.name}.{os.getpid()}-{get_ident()}.part")

            def act(filesystem: Any, path: str) -> None:
                with filesystem.open_input_file(path) as source, aside.open("wb") as sink:
                    while block := source.read(1 << 24):
                        sink.write(block)

            try:
                self._try(name, act)
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)

        _all_of(fetch, list(files))

    def check_writable(self) -> None:
        """Writes, reads and deletes a small object.

        Raises:
            StorageError: what is missing: the bucket, rights, or the server.
        """
        hasty = RemoteFolder(self.address, patient=False)
        name = f".aubench-check-{os.getpid()}-{time.time_ns()}"
        hasty.write(name, b"aubench")
        if hasty.read(name) != b"aubench":
            raise StorageError(f"{self.where()}: what is written there cannot be read back")
        hasty.delete([name])


def _all_of(act: Callable[[str], None], names: list[str]) -> None:
    if len(names) < 2:
        for name in names:
            act(name)
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
        list(pool.map(act, names))


def _no_metadata() -> str:
    """Whether Amazon's own metadata server is to be left alone: where keys are in the environment,
    asking for it only costs seconds on other machines than Amazon's."""
    return "true" if os.environ.get("AWS_ACCESS_KEY_ID") else "false"


ADVICE = {
    "NO_SUCH_BUCKET": "there is no such bucket",
    "ACCESS_DENIED": "access denied: unknown keys, or keys without the right to do that",
    "INVALID_ACCESS_KEY_ID": "the access key is not known there (AWS_ACCESS_KEY_ID)",
    "INVALID_CLIENT_TOKEN_ID": "the access key is not known there (AWS_ACCESS_KEY_ID)",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong (AWS_SECRET_ACCESS_KEY)",
    "EXPIRED_TOKEN": "the credentials have expired",
    "NETWORK_CONNECTION": "the server cannot be reached",
    "OAuth2 access token": "no credentials of Google Cloud were found: run `gcloud auth "
    "application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS",
    "PERMISSION_DENIED": "access denied: these credentials have not the right to do that",
    "UNAUTHENTICATED": "access denied: it wants credentials (GOOGLE_APPLICATION_CREDENTIALS)",
    "Could not connect to server": "the server cannot be reached",
    "Could not resolve host": "the server cannot be reached",
}


def _reason(error: BaseException) -> str:
    """What pyarrow says, in one line, with what it means where that is known."""
    text = " ".join(str(error).split())
    text = re.sub(r" \(Request ID: \S+\)", "", text)
    text = re.sub(r" Detail: .*$", "", text)
    text = re.sub(r" error_info=.*$", "", text)
    for word, meaning in ADVICE.items():
        if word in text:
            operation = re.search(r"during (\w+) operation", text)
            detail = re.search(r"Details: (.*)$", text) if word == "NETWORK_CONNECTION" else None
            said = f"{meaning} ({detail.group(1)})" if detail else meaning
            return f"{said} ({operation.group(1)})" if operation and not detail else said
    return text
