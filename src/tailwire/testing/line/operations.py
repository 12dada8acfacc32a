"""The operations that the HTTP control offers: names, parameters, descriptions. Rule: parses text, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape, read_rate, read_seconds

MAX_NUMBER = 1_000_000


@dataclass(frozen=True)
class Arguments:
    """Parsed arguments of a control request.

    Attributes:
        values: the values of the operation's parameters, by name; those missing in the request have their default.
        headers: the headers by name, from the request's `header` parameters.
        body: the body of the request.
    """

    values: Mapping[str, float]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        example: an example of its text, shown in the list of operations.
        read: parses its text; raises ValueError if it is invalid.
        default: its value when the request does not contain it; -1 for a rate.
    """

    example: str
    read: Callable[[str], float]
    default: float


@dataclass(frozen=True)
class Operation:
    """An operation of the fault proxy.

    Attributes:
        do: carries it out on a proxy; raises ValueError if the arguments are invalid.
        text: its description, shown in the list of operations.
        parameters: its parameters, by name.
        takes_answer: whether the request may have `header` parameters and a body, for the response to send.
    """

    do: Callable[[FaultProxy, Arguments], None]
    text: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_answer: bool = False

    def read(self, query: Mapping[str, str], headers: list[str], body: bytes) -> Arguments:
        """Parse a request's arguments.

        Args:
            query: the parameters, without `header`.
            headers: the values of all `header` parameters, each `Name: value`.
            body: the body of the request.

        Raises:
            ValueError: a parameter is unknown or invalid; the message names it.
        """
        unknown = sorted(set(query) - set(self.parameters)) or (["header"] if headers and not self.takes_answer else [])
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise ValueError(f"unknown parameter {unknown[0]!r}; known: {known}")
        values = {}
        for name, parameter in self.parameters.items():
            try:
                values[name] = parameter.read(query[name]) if name in query else parameter.default
            except ValueError as e:
                raise ValueError(f"{name}: {e}") from None
        pairs = [header.partition(":") for header in headers]
        return Arguments(values, {name.strip(): value.strip() for name, _, value in pairs}, body)

    def request_line(self, name: str) -> str:
        """Return an example of a request line, given the operation's name: `POST /delay?seconds=0.2`."""
        query = "&".join(f"{what}={p.example}" for what, p in self.parameters.items())
        return f"POST /{name}" + (f"?{query}" if query else "")


def _read_number(text: str) -> float:
    if not (text.isascii() and text.isdecimal()) or len(text) > 7 or int(text) > MAX_NUMBER:
        raise ValueError(f"{text!r}: give a whole number from 0 to {MAX_NUMBER}")
    return float(text)


def _seconds(example: str, default: float | None = None) -> Parameter:
    return Parameter(example, read_seconds, float(example) if default is None else default)


def _number(example: str) -> Parameter:
    return Parameter(example, _read_number, float(example))


def _rate(example: str) -> Parameter:
    return Parameter(example, read_rate, -1.0)  # stands for "missing"


def _shape(proxy: FaultProxy, arguments: Arguments) -> None:
    v = arguments.values
    both = max(v["rate"], 0.0)
    up, down = (v[way] if v[way] >= 0 else both for way in ("up", "down"))
    proxy.shape(Shape(up=up, down=down, queue=v["queue"], latency=v["latency"]))


def _set_delay(proxy: FaultProxy, arguments: Arguments) -> None:
    proxy.delay = arguments.values["seconds"]


def _calling(name: str, **parameters: Parameter) -> dict[str, Any]:
    return {
        "do": lambda proxy, arguments: getattr(proxy, name)(*map(int, arguments.values.values())),
        "parameters": parameters,
    }


OPERATIONS: dict[str, Operation] = {
    "shape": Operation(
        _shape,
        "limit the line that all connections share (rate for both ways, or up and down), with a queue and a latency; "
        "without parameters: no limits; kept by restore",
        {"rate": _rate("64kbit"), "up": _rate("32kbit"), "down": _rate("2mbit"),
         "queue": _seconds("5", Shape().queue), "latency": _seconds("0.3", Shape().latency)},
    ),
    "drop": Operation(**_calling("drop"), text="reset all open connections; accept new ones"),
    "cut": Operation(**_calling("cut"), text="reset and refuse all connections, until restore"),
    "half-open": Operation(
        **_calling("half_open", new=_number("1")),
        text="keep connections open and deliver nothing, until restore; new=0: new connections work",
    ),
    "refuse": Operation(**_calling("refuse"), text="refuse new connections, until restore"),
    "swallow": Operation(**_calling("swallow"), text="leave new connections unanswered, until restore"),
    "delay": Operation(_set_delay, "delay everything, until restore", {"seconds": _seconds("0.2")}),
    "idle-kill": Operation(
        lambda proxy, arguments: proxy.idle_kill(arguments.values["seconds"]),
        "reset connections that are idle for this long, until restore",
        {"seconds": _seconds("30")},
    ),
    "answer": Operation(
        lambda proxy, arguments: proxy.answer(
            int(arguments.values["status"]), arguments.headers, arguments.body
        ),
        "answer every request with this status, the headers given as header=Name:value and the body of this request, "
        "until restore",
        {"status": _number("503")},
        takes_answer=True,
    ),
    "refuse-websockets": Operation(
        **_calling("refuse_websockets", status=_number("426")),
        text="answer WebSocket upgrades with this status and pass other requests, until restore (no TLS)",
    ),
    "cut-mid-frame": Operation(
        **_calling("cut_mid_frame", bytes=_number("1")),
        text="truncate the server's next text frame after this many bytes and close its connection",
    ),
    "duplicate": Operation(
        **_calling("duplicate", frames=_number("1")), text="deliver the server's next text frames twice (no TLS)"
    ),
    "restore": Operation(**_calling("restore"), text="end all faults; keep the shape"),
}  # fmt: skip
"""The operations of the control by name; the path of an operation is `/` and its name."""
