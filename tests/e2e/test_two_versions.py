"""Servers are upgraded one after the other, so that two versions serve one database side by side: nothing is lost.

The earlier version comes from the history of the repository; without it, as in a source distribution, this is skipped.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from e2e.test_restart_of_one_of_several import BalancedStage, restart_politely
from faults.traffic import Traffic
from harness import CONNECTED
from servers.balancer import Balancer
from servers.postgres import PostgresServer
from servers.several import SeveralServers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EARLIER = os.environ.get("TAILWIRE_EARLIER", "63d6a33")
"""A commit whose servers must get along with this version's; moved on with each release."""
THIS = ["-m", "tailwire.cli.main"]


@pytest.fixture
def earlier(tmp_path: Path) -> list[str]:
    """Return the arguments of Python that run a server of the earlier version."""
    root = Path(__file__).parents[2]
    packed = subprocess.run(["git", "archive", EARLIER, "src"], cwd=root, capture_output=True)
    if packed.returncode:
        pytest.skip(f"the history has no commit {EARLIER}")
    (tmp_path / "earlier").mkdir()
    subprocess.run(["tar", "-x", "-C", str(tmp_path / "earlier")], input=packed.stdout, check=True)
    source = tmp_path / "earlier" / "src"
    return [
        "-c",
        f"import sys; sys.path.insert(0, {str(source)!r}); from tailwire.cli.main import main; sys.exit(main())",
    ]


async def test_servers_upgraded_one_after_the_other_lose_nothing(
    postgres: PostgresServer, tmp_path: Path, earlier: list[str]
):
    url = postgres.create_database()  # empty: the earlier version makes its schema
    settings = {"TAILWIRE_DRAIN_SECONDS": "1", "TAILWIRE_RESTART_WINDOW": "0.5"}
    async with (
        SeveralServers(tmp_path, url, settings=settings, program=earlier) as several,
        Balancer(several) as balancer,
    ):
        async with BalancedStage(several, balancer) as stage, Traffic(stage) as traffic:  # type: ignore[arg-type]
            carol = await stage.enter("carol")
            await traffic.until(20)
            for server in several.servers:
                server.program = THIS
                await restart_politely(server)
                for actor in (traffic.alice, traffic.bob, carol):
                    await actor.ears.until(lambda actor=actor: actor.status is CONNECTED)
                await traffic.until(40)  # with both versions, and then with this one
        assert set(traffic.failures) <= {"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE"}
        assert traffic.bob.ears.all("gap") == []
    assert several.tracebacks == []
    postgres.drop_database(url)
