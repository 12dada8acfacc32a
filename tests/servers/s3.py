"""A real S3 service over HTTP, from the package `moto`, in a process of its own that tests may stop and kill."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from tailwire.server.uploads.s3_bucket import Bucket

START_SECONDS = 60
KEYS = {"aws_access_key_id": "an-access-key", "aws_secret_access_key": "a-secret-key"}


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class S3Bucket:
    """One bucket, empty at first. Its objects are inspected with a client other than the server's."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.name = name
        self._server = server

    def settings(self, prefix: str = "chat/files", **more: Any) -> dict[str, Any]:
        """Return the settings of a server that stores its files here."""
        return {
            "uploads": f"s3://{self.name}/{prefix}".rstrip("/"),
            "s3_endpoint": self._server.url,
            "s3_region": "us-east-1",
            "s3_access_key": KEYS["aws_access_key_id"],
            "s3_secret_key": KEYS["aws_secret_access_key"],
            **more,
        }

    def names(self) -> set[str]:
        """Return the full names of all objects."""
        return {one["Key"] for one in self._server.client().list_objects_v2(Bucket=self.name).get("Contents", [])}

    def unfinished(self) -> list[str]:
        """Return the names of unfinished objects: only some of their parts were uploaded."""
        found = self._server.client().list_multipart_uploads(Bucket=self.name)
        return [one["Key"] for one in found.get("Uploads", [])]


class S3Server:
    """The service. It keeps its objects in memory, so they are gone when it ends.

    Args:
        auth: whether it refuses unknown access keys; it knows none.
    """

    def __init__(self, *, auth: bool = False) -> None:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("obstore") is None:
            pytest.skip("this needs an S3 service and its client: pip install moto flask flask-cors obstore")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._auth = auth
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def client(self) -> Any:
        """Return a client of AWS's own package."""
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=10, retries={"max_attempts": 1})
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", config=config, **KEYS)

    def start(self) -> None:
        """Start the service, and wait until it listens."""
        more = {"INITIAL_NO_AUTH_ACTION_COUNT": "1"} if self._auth else {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **more},
        )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the S3 service did not start")
            time.sleep(0.05)

    def create_bucket(self) -> S3Bucket:
        """Create a bucket, and return it."""
        name = f"bucket-{next(self._numbers)}"
        self.client().create_bucket(Bucket=name)
        return S3Bucket(self, name)

    def pause(self) -> None:
        """Let the service accept connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the service at once, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def virtual_time_waits_for(patch: pytest.MonkeyPatch) -> None:
    """Let virtual loops stand still while the bucket is asked."""
    honest = Bucket._answer

    async def waited_for(self: Bucket, request: Any, *more: Any) -> Any:
        loop: Any = asyncio.get_running_loop()
        if not hasattr(loop, "outside_requests"):
            return await honest(self, request, *more)
        loop.outside_requests += 1
        try:
            return await honest(self, request, *more)
        finally:
            loop.outside_requests -= 1

    patch.setattr(Bucket, "_answer", waited_for)
