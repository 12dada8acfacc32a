"""Realistic networks as steps of a plan: slow lines, portals, proxies, several addresses, and hours without faults.

`simulation.network_steps` handles these steps.
"""

from __future__ import annotations

import random
from typing import Any

from tailwire.testing.simulation.steps import DEVICES, USERS, Step
from tailwire.testing.virtual.middleboxes import GATEWAYS

HOUR_SECONDS = 3600.0
CHATTER_INTERVAL_SECONDS = 5.0
LINE_SHAPES: tuple[tuple[float, ...], ...] = (
    (32_000, 32_000, 5.0, 0.05, 1),
    (8_000, 8_000, 5.0, 0.1),
    (8_000, 32_000, 2.0, 0.3),
    (1_200, 1_200, 5.0, 0.2),
    (60_000, 60_000, 0.5, 0.6),
    (60_000, 60_000, 0.5, 1.6),
)
"""Shapes of access lines: the rates up and down in bytes per second, the size of the queues in seconds of data, and the
latency each way in seconds. If there is a fifth number, a proxy acknowledges data that waits in the queue."""
PORTALS = ("redirect", "page", "511", "broken gzip", "json")
PROXIES: tuple[list[Any], ...] = (
    ["refuse", 426], ["refuse", 403], ["refuse", 200], ["busy"], ["hold", 1.0], ["hold", 5.0],
    ["idle", 10.0, False], ["idle", 10.0, True], ["idle", 30.0, False],
    *[["gateway", kind] for kind in GATEWAYS],
)  # fmt: skip


def with_lines(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with others between them that set slow lines, and several addresses for the server's name."""
    made = []
    for step in steps:
        if chance.random() < 0.2:
            what = chance.choice(("line", "line", "line", "line off", "upload", "names", "move", "restore"))
            made.append(_step(chance, what))
        made.append(step)
    return made


def with_middleboxes(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with others between them that set a captive portal or a proxy for up to some minutes."""
    made = []
    for step in steps:
        if chance.random() < 0.2:
            what = chance.choice(("portal", "proxy"))
            first = _step(chance, what)
            made += [first, Step(0.0, first.who, "queue", _other(chance, first.who))]
            made.append(Step(round(chance.uniform(0.1, 120.0), 3), first.who, "say group"))
            made.append(Step(round(chance.uniform(0.1, 30.0), 3), first.who, f"{what} off"))
        made.append(step)
    return made


def busy_hours(chance: random.Random) -> list[Step]:
    """Return steps of 10 to 30 minutes in which one device sends every few seconds.

    In half of the cases some devices have slow lines.
    """
    writer = chance.choice(DEVICES)
    lasts = chance.choice((600.0, 1200.0, 1800.0))
    made = [Step(1.0, writer, "chatter", [lasts, CHATTER_INTERVAL_SECONDS])]
    if chance.random() < 0.5:
        for name in DEVICES:
            if chance.random() < 0.5:
                made.append(Step(0.0, name, "line", list(chance.choice(LINE_SHAPES))))
    if chance.random() < 0.3:
        made.append(Step(lasts / 2, chance.choice(DEVICES), "upload", chance.choice((200_000, 1_000_000))))
        lasts /= 2
    made.append(Step(lasts, "network", "restore"))
    return made


def quiet_hours(chance: random.Random) -> list[Step]:
    """Return steps of some hours with only a few messages; on slow lines in half of the cases."""
    made = []
    if chance.random() < 0.5:
        made = [Step(0.0, name, "line", list(chance.choice(LINE_SHAPES))) for name in DEVICES if chance.random() < 0.5]
    for _ in range(chance.randint(2, 6)):
        who = chance.choice(DEVICES)
        made.append(Step(round(chance.uniform(0.2, 2.0) * HOUR_SECONDS, 1), who, "say", _other(chance, who)))
    return made


def _step(chance: random.Random, what: str) -> Step:
    who = chance.choice(DEVICES)
    if what == "line":
        return Step(0.0, who, what, list(chance.choice(LINE_SHAPES)))
    if what == "upload":
        return Step(0.0, who, what, chance.choice((50_000, 400_000)))
    if what == "portal":
        return Step(0.0, who, what, [chance.choice(PORTALS), chance.choice(("swallow", "reset"))])
    if what == "proxy":
        return Step(0.0, who, what, list(chance.choice(PROXIES)))
    if what == "names":
        return Step(0.0, "network", what, chance.choice(("dead", "refused")))
    if what == "move":
        return Step(0.0, "network", what, f"192.0.2.{chance.randint(10, 200)}")
    return Step(0.0, "network" if what == "restore" else who, what)


def _other(chance: random.Random, who: str) -> str:
    return chance.choice([uid for uid in USERS if not who.startswith(uid)])
