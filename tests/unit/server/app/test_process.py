"""Settings of a process that runs only the server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GROWS_TABLE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 5000))
from tailwire.server.app.process import max_connections, raise_descriptor_limit
raise_descriptor_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], max_connections())
print(open("/proc/self/status").read().partition("FDSize:")[2].split()[0])
import os
print(len(os.listdir("/proc/self/fd")) < 20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the size of the table is read there")
def test_descriptor_table_has_room_for_all_connections_before_the_first_one():
    run = subprocess.run([sys.executable, "-c", GROWS_TABLE], capture_output=True, text=True, check=True).stdout.split()
    limit, most, table, few_are_open = run
    assert (limit, most) == ("5000", "4936")
    assert int(table) >= 4936
    assert few_are_open == "True"
