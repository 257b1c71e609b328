"""A server that speaks Google Cloud Storage's protocol, for tests of ``gs://``, in its own process."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from s3_server import free_port, wait_until_open


class GoogleBucket:
    """A bucket of a running server; ``address("runs/x")`` is a folder in it."""

    def __init__(self, port, name):
        self.endpoint = f"127.0.0.1:{port}"
        self.name = name

    def address(self, folder, bucket=None):
        query = f"scheme=http&endpoint_override={self.endpoint}"
        return f"gs://anonymous@{bucket or self.name}/{folder}?{query}"


@contextmanager
def gcs_server(bucket="lab"):
    """A server with an empty bucket that is open to everybody."""
    pytest.importorskip("gcp_storage_emulator", reason="gcp-storage-emulator is not installed")
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--quiet", "--in-memory"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--default-bucket", bucket]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_open(port)
        yield GoogleBucket(port, bucket)
    finally:
        running.kill()
        running.wait()
