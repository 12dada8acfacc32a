"""Draw the diagrams of the docs as SVG: `docs/pictures/*.svg` (`make reference`).

Two kinds: sequences (who sends what to whom, from top to bottom) and graphs (boxes in fixed places, and arrows between
them). Colours follow the reader's light or dark theme.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
GRAPH = ROOT / "src" / "tailwire" / "lab" / "phases.json"
STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1b1f24; }
  .small { font-size: 12px; }
  .box { fill: #eef2ff; stroke: #4051b5; }
  .group { fill: none; stroke: #9aa3b2; stroke-dasharray: 4 4; }
  .line, .arrow { stroke: #57606a; fill: none; }
  .head { fill: #57606a; }
  .back { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e8ee; } .box { fill: #232a45; stroke: #8ea0ff; } .line, .arrow { stroke: #aab2c0; }
    .head { fill: #aab2c0; } .back { fill: #16181d; } .group { stroke: #69707d; }
  }
"""
COLUMN, ROW, TOP = 150, 40, 64
"""Distances of a sequence in pixels: between two columns, between two rows, and to the first row."""


@dataclass(frozen=True)
class Sequence:
    """A sequence diagram: who sends what to whom.

    Attributes:
        title: a description for readers who cannot see the picture.
        columns: the participants, from left to right.
        steps: from, to, and the text of the arrow; from and to may be equal.
    """

    title: str
    columns: tuple[str, ...]
    steps: tuple[tuple[str, str, str], ...]


MESSAGE_PATH = Sequence(
    "A message on its way from one device to another",
    ("sender's app", "sender's SDK", "server", "database", "receiver's SDK", "receiver's app"),
    (
        ("sender's app", "sender's SDK", "send_message"),
        ("sender's SDK", "server", "POST, with a muid"),
        ("server", "database", "may they? then store"),
        ("database", "server", "committed: id 42"),
        ("server", "sender's SDK", "answer: id 42"),
        ("server", "receiver's SDK", "frame: 42, before it 41"),
        ("receiver's SDK", "server", "41 is missing: fetch it"),
        ("server", "receiver's SDK", "41"),
        ("receiver's SDK", "receiver's app", "41, then 42"),
        ("receiver's app", "receiver's SDK", "the callback returns"),
        ("receiver's SDK", "receiver's SDK", "position: 42, saved"),
    ),
)
BACKGROUND = Sequence(
    "An app goes to the background",
    ("toolkit", "adapter", "client", "driver", "machine", "listeners"),
    (
        ("toolkit", "adapter", "last window minimised"),
        ("adapter", "client", "set_app_state"),
        ("client", "driver", "AppStateChanged"),
        ("driver", "machine", "step(state, input)"),
        ("machine", "machine", "decides"),
        ("machine", "driver", "close; tell the status"),
        ("driver", "driver", "closes the socket"),
        ("driver", "listeners", "on_disconnected"),
    ),
)
PLACES = {"idle": (130, 90), "waiting": (130, 330), "renewing": (430, 330), "connecting": (430, 90), "open": (730, 210)}
"""The positions of the phases of a connection."""


def svg(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return a picture as SVG."""
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path class="head" d="M0 0 10 5 0 10z"/></marker></defs>'
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{marker}\n{body}\n</svg>\n"
    )


def text(x: float, y: float, label: str, kind: str = "", anchor: str = "middle") -> str:
    """Return a line of text as SVG."""
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(label)}</text>'


def box(x: float, y: float, width: float, label: str) -> list[str]:
    """Return a box around a text, centred at (x, y)."""
    return [
        f'<rect class="box" x="{x - width / 2:g}" y="{y - 18:g}" width="{width:g}" height="36" rx="6"/>',
        text(x, y + 5, label),
    ]


def sequence(one: Sequence) -> str:
    """Return the picture of a sequence."""
    places = {name: COLUMN * n + COLUMN // 2 for n, name in enumerate(one.columns)}
    height = TOP + ROW * (len(one.steps) + 1)
    parts = [f'<path class="line" d="M{x} 48V{height - 10}"/>' for x in places.values()]
    for name, x in places.items():
        parts += box(x, 28, COLUMN - 16, name)
    for n, (sender, receiver, label) in enumerate(one.steps):
        y, a, b = TOP + ROW * (n + 0.75), places[sender], places[receiver]
        middle = a + COLUMN / 2 if a == b and a < places[one.columns[-1]] else a - COLUMN / 2 if a == b else (a + b) / 2
        wide = len(label) * 6.6 + 8
        if a == b:
            side = 1 if middle > a else -1
            parts.append(
                f'<path class="arrow" marker-end="url(#head)" d="M{a} {y - 8:g}h{26 * side}v14h{-22 * side}"/>'
            )
            parts.append(text(a + 32 * side, y + 4, label, "small", "start" if side > 0 else "end"))
        else:
            parts.append(
                f'<path class="arrow" marker-end="url(#head)" d="M{a} {y:g}H{b - math.copysign(2, b - a):g}"/>'
            )
            parts.append(f'<rect class="back" x="{middle - wide / 2:g}" y="{y - 18:g}" width="{wide:g}" height="14"/>')
            parts.append(text(middle, y - 7, label, "small"))
    return svg(COLUMN * len(one.columns), height, one.title, parts)


def packages() -> str:
    """Return the picture of the packages, in which each package imports those to its right."""
    columns = (
        ("cli",),
        ("tui", "lab"),
        ("testing",),
        ("bot",),
        ("adapters", "sync"),
        ("admin",),
        ("sdk", "server"),
        ("wire", "web"),
    )
    parts: list[str] = []
    for n, names in enumerate(columns):
        for m, name in enumerate(names):
            parts += box(60 + n * 112, 60 + (m - (len(names) - 1) / 2) * 46, 90, name)
        if n:
            parts.append(f'<path class="arrow" marker-end="url(#head)" d="M{60 + n * 112 - 67} 60h20"/>')
    return svg(112 * len(columns) + 8, 120, "The packages: each imports those at its right", parts)


def phases() -> str:
    """Return the picture of the phases of a connection, from the graph that `make table` writes."""
    edges = {(edge["from"], edge["to"]): len(edge["events"]) for edge in json.loads(GRAPH.read_text(encoding="utf-8"))}
    parts: list[str] = []
    for (a, b), events in edges.items():
        (x, y), (u, v) = PLACES[a], PLACES[b]
        length = math.hypot(u - x, v - y)
        dx, dy = (u - x) / length, (v - y) / length
        off = 22 if (b, a) in edges else 0
        mx, my = (x + u) / 2 - dy * off, (y + v) / 2 + dx * off
        cut = [min(66 / abs(dx) if dx else 1e9, 22 / abs(dy) if dy else 1e9) for _ in (0, 1)]
        sx, sy = x + dx * cut[0] - dy * off / 2, y + dy * cut[0] + dx * off / 2
        ex, ey = u - dx * cut[1] - dy * off / 2, v - dy * cut[1] + dx * off / 2
        parts.append(
            f'<path class="arrow" marker-end="url(#head)" d="M{sx:.0f} {sy:.0f}Q{mx:.0f} {my:.0f} {ex:.0f} {ey:.0f}"/>'
        )
        parts.append(f'<circle class="back" cx="{mx:.0f}" cy="{my:.0f}" r="11"/>')
        parts.append(text(round(mx), round(my) + 4, str(events), "small"))
    for name, (x, y) in PLACES.items():
        parts += box(x, y, 130, name)
    return svg(
        860, 400, "The phases of a connection; a number says how many kinds of events lead along an arrow", parts
    )


def servers() -> str:
    """Return the picture of several servers on one database."""
    places = {"clients": (70, 120), "load balancer": (230, 120), "server 1": (410, 40), "server 2": (410, 120)}
    places |= {"server 3": (410, 200), "PostgreSQL": (610, 90), "news": (610, 170)}
    edges = [("clients", "load balancer")]
    for server in ("server 1", "server 2", "server 3"):
        edges += [("load balancer", server), (server, "PostgreSQL"), (server, "news")]
    parts: list[str] = []
    for a, b in edges:
        (x, y), (u, v) = places[a], places[b]
        both = ' marker-start="url(#head)"' if b == "news" else ""
        parts.append(f'<path class="arrow"{both} marker-end="url(#head)" d="M{x + 62} {y}L{u - 62} {v}"/>')
    for name, (x, y) in places.items():
        parts += box(x, y, 124, name)
    return svg(700, 240, "Clients reach any server; all servers use one database, and pass news to each other", parts)


def pictures() -> dict[Path, str]:
    """Return all diagrams by their paths."""
    return {
        PICTURES / "message-path.svg": sequence(MESSAGE_PATH),
        PICTURES / "background.svg": sequence(BACKGROUND),
        PICTURES / "packages.svg": packages(),
        PICTURES / "phases.svg": phases(),
        PICTURES / "servers.svg": servers(),
    }


def main() -> int:
    """Write the diagrams."""
    for path, drawn in pictures().items():
        path.write_text(drawn, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
