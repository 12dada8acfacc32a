"""What a run of the situations saw, as lines and as the table of docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- networks: begin -->", "<!-- networks: end -->"


@dataclass(frozen=True)
class Result:
    """What became of a situation.

    Attributes:
        problem: what was not as promised, or "".
        figures: what it wants to be told of, seconds or counts by name.
    """

    name: str
    finding: str
    title: str
    problem: str
    seconds: float
    disconnects: int
    connections: int
    kilobytes: tuple[float, float]
    figures: dict[str, float]

    @property
    def _said(self) -> str:
        return ", ".join(f"{name} {value:.3g}" for name, value in self.figures.items())

    def line(self) -> str:
        """One line for the terminal."""
        up, down = self.kilobytes
        return (
            f"NETWORK {'failed' if self.problem else 'ok':6} {self.name:24} finding {self.finding:5} {self.seconds:6.1f} s "
            f"disconnects {self.disconnects} connections {self.connections} KB up {up:.0f} down {down:.0f}"
            + (f" ({self._said})" if self.figures else "")
            + (f"\n        {self.problem}" if self.problem else "")
        )

    def row(self) -> str:
        """One row of the table."""
        up, down = self.kilobytes
        told = self._said if not self.problem else "**not as promised**" + (f"; {self._said}" if self.figures else "")
        return (
            f"| {self.title} | {self.seconds:.0f} | {self.disconnects} | {self.connections} | {up:.0f} / {down:.0f} "
            f"| {told} |"
        )


def table(results: list[Result]) -> str:
    """The table."""
    head = "| situation | seconds | disconnects | connections | KB up / down | seconds until, or count |\n"
    return head + "| --- | --- | --- | --- | --- | --- |\n" + "\n".join(r.row() for r in results) + "\n"


def write(results: list[Result], page: Path = PAGE) -> None:
    """Put the table between its marks in the page."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the table: {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n{table(results)}{end}{after}", encoding="utf-8")
