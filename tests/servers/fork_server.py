"""Imports `tailwire` once, and forks a process for each request of `prepared.py`, in which it runs.

It has neither threads nor an event loop, so that a fork is in the state of a process that has just imported the same.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import threading
from typing import Any

MOST_BYTES = 1 << 20
DESCRIPTORS = 3


def main() -> None:
    """Fork until the suite's process has ended. In a fork, return when everything is as in a new process."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    watched = selectors.DefaultSelector()
    watched.register(requests, selectors.EVENT_READ)
    ends: dict[int, tuple[int, int]] = {}  # by its pidfd: a fork's process id, and where its end is reported
    while True:
        for key, _ in watched.select():
            if key.fd != requests.fileno():
                pid, status = ends.pop(key.fd)
                watched.unregister(key.fd)
                os.close(key.fd)
                _report(status, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(status)
                continue
            wanted, descriptors = _receive(requests)
            if not wanted:
                sys.exit()
            stdout, stderr, status = descriptors
            pid = os.fork()
            if not pid:
                os.dup2(stdout, 1)
                os.dup2(stderr, 2)
                _become(wanted)
                return
            os.close(stdout)
            os.close(stderr)
            _report(status, pid)
            pidfd = os.pidfd_open(pid)
            ends[pidfd] = pid, status
            watched.register(pidfd, selectors.EVENT_READ)


def _receive(requests: socket.socket) -> tuple[dict[str, Any], list[int]]:
    descriptors = array.array("i")
    data, ancillary, _, _ = requests.recvmsg(MOST_BYTES, socket.CMSG_LEN(DESCRIPTORS * descriptors.itemsize))
    for _, _, rights in ancillary:
        descriptors.frombytes(rights)
    return json.loads(data) if data else {}, list(descriptors)


def _report(status: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the test's event loop has ended before its server
        os.write(status, b"%d\n" % number)


def _become(wanted: dict[str, Any]) -> None:
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, tuple(wanted["files"]))
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv[1:] = wanted["arguments"]


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # as with `python -m`, not this folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the suite, which ends this process
    from tailwire.cli import administer, backup, migrate, serve  # noqa: F401
    from tailwire.cli.main import run
    from tailwire.server.store.postgres import store  # noqa: F401

    if threading.active_count() > 1:
        raise RuntimeError(f"no fork would have these threads: {threading.enumerate()}")
    gc.freeze()  # the forks share the memory of the modules
    main()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
