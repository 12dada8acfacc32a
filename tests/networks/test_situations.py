"""All situations at the same time, each with its own line, against one server process.

`make networks` plays all (`TAILWIRE_NETWORKS=full`) and prints the table; `TAILWIRE_NETWORKS=write` also writes it into
docs/reliability.md. `make test` plays those that take seconds.
"""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path

import httpx2
import pytest

from networks import days as days  # registers its situations
from networks import table
from networks.losses import Loss, Reason, unexplained
from networks.scene import Scene, text_of
from networks.situations import SITUATIONS, Situation
from networks.ways import own_names
from servers.prepared import PreparedServer
from tailwire import Cause
from tailwire.testing.server import ServerProcess

WANTED = os.environ.get("TAILWIRE_NETWORKS", "")
PLAYED = [s for s in SITUATIONS if WANTED or s.quick]


async def _play(situation: Situation, server: ServerProcess, http: httpx2.AsyncClient) -> table.Result:
    scene = Scene(server, http, situation.name)
    problem = ""
    try:
        async with scene, asyncio.timeout(situation.limit):
            await situation.play(scene)
    except TimeoutError:
        problem = f"not done in {situation.limit:g} s"
    except (Exception, pytest.fail.Exception) as e:
        problem = f"{type(e).__name__}: {str(e)[:600]}"
    seconds, disconnects, connections, kilobytes = scene.kept
    result = table.Result(
        situation.name, situation.title, problem, seconds, disconnects, connections, kilobytes,
        scene.measured,
    )  # fmt: skip
    print(result.line(), flush=True)
    return result


async def _play_all(situations: list[Situation], server: ServerProcess) -> dict[str, table.Result]:
    async with server, httpx2.AsyncClient(base_url=server.url + "/v3", timeout=30, trust_env=False) as http:
        with own_names():
            results = await asyncio.gather(*(_play(s, server, http) for s in situations))
    return {result.name: result for result in results}


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, table.Result]:
    """The results of the selected situations."""
    run_situations = {
        item.callspec.params["situation"] for item in request.session.items if "situation" in _parameters(item)
    }
    situations = [s for s in PLAYED if s in run_situations]
    print()
    played = asyncio.run(_play_all(situations, PreparedServer(tmp_path_factory.mktemp("networks"))))
    if WANTED:
        print(table.table(list(played.values())))
    if WANTED == "write" and len(played) == len(SITUATIONS):
        table.write(list(played.values()))
    return played


def _parameters(item: pytest.Item) -> dict:
    return item.callspec.params if hasattr(item, "callspec") else {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("situation", PLAYED, ids=[s.name for s in PLAYED])
def test_client_keeps_the_promises_of_each_situation(results: dict[str, table.Result], situation: Situation):
    result = results[situation.name]
    assert not result.problem, result.line()
    assert result.connections >= 1 or result.kilobytes[1] > 0, "its line carried nothing"


@pytest.mark.parametrize(
    ("loss", "explained"),
    [
        (Loss(0, 10.1, Cause.CONNECTION_RESET), True),
        (Loss(0, 30, Cause.CONNECTION_RESET), False),  # long after the cut
        (Loss(10.5, 11, Cause.CONNECTION_RESET), False),  # of a connection that the cut did not meet
        (Loss(0, 9, Cause.CONNECTION_RESET), False),  # before the cut
        (Loss(0, 10.1, Cause.SERVER_RESTARTING), False),  # nothing restarted
        (Loss(0, 20.1, Cause.APP_IN_BACKGROUND), True),
        (Loss(0, 20.1, Cause.HEARTBEAT_TIMEOUT), False),  # the background stops no heartbeat
    ],
)
def test_loss_of_a_connection_is_explained_only_by_a_matching_reason(loss: Loss, explained: bool):
    reasons = [Reason("cut", 10, 10), Reason("background", 20, 20)]
    assert unexplained([loss], reasons) == ([] if explained else [loss])


def test_reason_explains_only_one_loss_of_a_connection():
    twice = [Loss(0, 10.1, Cause.CONNECTION_RESET), Loss(0, 10.2, Cause.CONNECTION_RESET)]
    assert unexplained(twice, [Reason("cut", 10, 11)]) == twice[1:]


def test_sent_texts_compress_to_between_a_quarter_and_a_half():
    texts = [text_of(n) for n in range(1, 301)]
    assert len(set(texts)) == 300
    assert {len(text) for text in texts} == {196}
    packed = len(gzip.compress("".join(texts).encode()))
    assert 1 / 4 < packed / (300 * 196) < 1 / 2, "unlike what people write"


def test_table_of_results_replaces_the_previous_one_in_its_page(tmp_path: Path):
    page = tmp_path / "reliability.md"
    page.write_text(table.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    good = table.Result("one", "a slow line", "", 12.4, 0, 1, (1.2, 300.4), {"all after": 11.8})
    bad = table.Result("two", "a portal", "AssertionError: gone", 20.0, 1, 7, (3.0, 1.0), {})
    table.write([bad], page)
    table.write([good, bad], page)
    text = page.read_text(encoding="utf-8")
    assert text.count("| a portal | 20 | 1 | 7 | 3 / 1 | **not as promised** |") == 1
    assert text.count("| a slow line | 12 | 0 | 1 | 1 / 300 | all after 11.8 |") == 1
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no marks for the table"):
        table.write([good], page)
