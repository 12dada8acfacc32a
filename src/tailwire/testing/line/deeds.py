"""What a fault proxy can be asked to do over HTTP: names, parameters, what they mean. Rule: reads texts, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape, read_rate, read_seconds

LARGEST = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A request to the proxy's control.

    Attributes:
        values: of its parameters, by name; each has its default where it was not given.
        headers: what was given as `header`, one or several.
        body: of the request.
    """

    values: Mapping[str, float]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Parameter:
    """A parameter.

    Attributes:
        example: for the list of what can be asked; also the default, unless there is another.
        read: reads its text; raises ValueError.
        default: what it is where it is not given.
    """

    example: str
    read: Callable[[str], float]
    default: float


@dataclass(frozen=True)
class Deed:
    """Something that the proxy can be asked to do.

    Attributes:
        do: does it.
        text: what it means.
        parameters: by name.
        takes_answer: whether it takes `header` and a body.
    """

    do: Callable[[FaultProxy, Asked], None]
    text: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_answer: bool = False

    def read(self, query: Mapping[str, str], headers: list[str], body: bytes) -> Asked:
        """Return what is asked.

        Args:
            query: the parameters, without `header`.
            headers: each `Name: value`.

        Raises:
            ValueError: when a parameter is not known or makes no sense; says which.
        """
        unknown = sorted(set(query) - set(self.parameters)) or (["header"] if headers and not self.takes_answer else [])
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise ValueError(f"the parameter {unknown[0]!r} is not known here; known: {known}")
        values = {}
        for name, parameter in self.parameters.items():
            try:
                values[name] = parameter.read(query[name]) if name in query else parameter.default
            except ValueError as e:
                raise ValueError(f"{name}: {e}") from None
        pairs = [header.partition(":") for header in headers]
        return Asked(values, {name.strip(): value.strip() for name, _, value in pairs}, body)

    def shown(self, name: str) -> str:
        """Return how it is asked for."""
        query = "&".join(f"{what}={p.example}" for what, p in self.parameters.items())
        return f"POST /{name}" + (f"?{query}" if query else "")


def _count(text: str) -> float:
    if not (text.isascii() and text.isdecimal()) or len(text) > 7 or int(text) > LARGEST:
        raise ValueError(f"{text!r}: give a whole number from 0 to {LARGEST}")
    return float(text)


def _seconds(example: str, default: float | None = None) -> Parameter:
    return Parameter(example, read_seconds, float(example) if default is None else default)


def _number(example: str) -> Parameter:
    return Parameter(example, _count, float(example))


def _rate(example: str) -> Parameter:
    return Parameter(example, read_rate, -1.0)  # not given


def _shape(proxy: FaultProxy, asked: Asked) -> None:
    v = asked.values
    both = max(v["rate"], 0.0)
    up, down = (v[way] if v[way] >= 0 else both for way in ("up", "down"))
    proxy.shape(Shape(up=up, down=down, queue=v["queue"], latency=v["latency"]))


def _set_delay(proxy: FaultProxy, asked: Asked) -> None:
    proxy.delay = asked.values["seconds"]


def _of(name: str, **parameters: Parameter) -> dict[str, Any]:
    return {"do": lambda proxy, asked: getattr(proxy, name)(*map(int, asked.values.values())), "parameters": parameters}


DEEDS: dict[str, Deed] = {
    "shape": Deed(
        _shape,
        "a line of these rates (both ways, or up and down), queue and latency for all connections together; "
        "without parameters: no limits; stays over restore",
        {"rate": _rate("64kbit"), "up": _rate("32kbit"), "down": _rate("2mbit"),
         "queue": _seconds("5", Shape().queue), "latency": _seconds("0.3", Shape().latency)},
    ),
    "drop": Deed(**_of("drop"), text="reset the connections of now; new ones are taken"),
    "cut": Deed(**_of("cut"), text="the network is gone, until restore"),
    "half-open": Deed(
        **_of("half_open", new=_number("1")),
        text="connections stay, nothing passes, until restore; new=0: new ones are well",
    ),
    "refuse": Deed(**_of("refuse"), text="new connections are refused, until restore"),
    "swallow": Deed(**_of("swallow"), text="new connections get no answer, until restore"),
    "delay": Deed(_set_delay, "everything is late, until restore", {"seconds": _seconds("0.2")}),
    "idle-kill": Deed(
        lambda proxy, asked: proxy.idle_kill(asked.values["seconds"]),
        "connections on which nothing passes for so long are reset, until restore",
        {"seconds": _seconds("30")},
    ),
    "answer": Deed(
        lambda proxy, asked: proxy.answer(int(asked.values["status"]), asked.headers, asked.body),
        "everything gets this answer, with the headers given as header=Name:value and the body of this request, "
        "until restore",
        {"status": _number("503")},
        takes_answer=True,
    ),
    "refuse-websockets": Deed(
        **_of("refuse_websockets", status=_number("426")),
        text="requests for a WebSocket get this status, others pass, until restore (no TLS)",
    ),
    "cut-mid-frame": Deed(**_of("cut_mid_frame", bytes=_number("1")), text="the server's next frame breaks off"),
    "duplicate": Deed(**_of("duplicate", frames=_number("1")), text="the server's next frames come twice (no TLS)"),
    "restore": Deed(**_of("restore"), text="all is well again; a shape stays"),
}  # fmt: skip
"""What can be asked, by its name in the path."""
