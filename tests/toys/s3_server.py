"""An S3-compatible server of moto's, for tests of object storage.

In a process of its own: moto keeps buckets and rights for a whole process, and tests of one process
would see each other's.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


class Bucket:
    """A bucket of a running server; ``address("runs/x")`` is a folder in it."""

    def __init__(self, port, name="lab"):
        self.endpoint = f"http://127.0.0.1:{port}"
        self.name = name
        self.client.create_bucket(Bucket=name)

    @property
    def client(self):
        import boto3

        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)

    def address(self, folder, bucket=None):
        query = f"endpoint_override={self.endpoint}&region=us-east-1"
        return f"s3://{bucket or self.name}/{folder}?{query}"

    def keys(self, folder=""):
        """Names of all objects below a folder."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=folder
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def upload(self, folder, name):
        """A dataset as it was prepared, without features that others extracted since."""
        for path in folder.rglob("*"):
            if path.is_file() and path.parent.name != "features":
                key = f"{name}/{path.relative_to(folder).as_posix()}"
                self.client.upload_file(str(path), self.name, key)

    def demand_rights(self, unchecked):
        """Lets so many more requests pass unchecked, then checks keys and policies."""
        body = str(unchecked).encode()
        urlopen(
            Request(
                f"{self.endpoint}/moto-api/reset-auth",
                data=body,
                headers={"Content-Type": "text/plain"},
            )
        ).close()

    def reader_keys(self):
        """Keys of a user who may read everything and write nothing."""
        import boto3

        iam = boto3.client(
            "iam",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            **{"aws_access_key_id": "key", "aws_secret_access_key": "secret"},
        )
        iam.create_user(UserName="reader")
        policy = (
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
            '"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}]}'
        )
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
        made = iam.create_access_key(UserName="reader")["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        }


@contextmanager
def s3_server():
    """A server with an empty bucket, and its keys in the environment."""
    pytest.importorskip("moto.server", reason="moto[s3] with flask is not installed")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before = {name: os.environ.get(name) for name in KEYS}
    os.environ.update(KEYS)
    try:
        wait_until_open(port)
        yield Bucket(port)
    finally:
        running.kill()
        running.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def free_port():
    """A port of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until_open(port, seconds=60):
    """Waits for a server to answer at a port of this machine."""
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
