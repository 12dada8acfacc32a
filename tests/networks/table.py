"""The results of a run, as lines for the terminal and as the table of docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- networks: begin -->", "<!-- networks: end -->"


@dataclass(frozen=True)
class Result:
    """The result of one situation.

    Attributes:
        problem: what did not hold, or "".
        figures: what the situation measured: seconds or counts, by name.
    """

    name: str
    title: str
    problem: str
    seconds: float
    disconnects: int
    connections: int
    kilobytes: tuple[float, float]
    figures: dict[str, float]

    @property
    def _figures_text(self) -> str:
        return ", ".join(f"{name} {value:.3g}" for name, value in self.figures.items())

    def line(self) -> str:
        """Return one line for the terminal."""
        up, down = self.kilobytes
        return (
            f"NETWORK {'failed' if self.problem else 'ok':6} {self.name:24} {self.seconds:6.1f} s "
            f"disconnects {self.disconnects} connections {self.connections} KB up {up:.0f} down {down:.0f}"
            + (f" ({self._figures_text})" if self.figures else "")
            + (f"\n        {self.problem}" if self.problem else "")
        )

    def row(self) -> str:
        """Return one row of the table."""
        up, down = self.kilobytes
        text = (
            self._figures_text
            if not self.problem
            else "**not as promised**" + (f"; {self._figures_text}" if self.figures else "")
        )
        return (
            f"| {self.title} | {self.seconds:.0f} | {self.disconnects} | {self.connections} | {up:.0f} / {down:.0f} "
            f"| {text} |"
        )


def table(results: list[Result]) -> str:
    """Return the table."""
    head = "| situation | seconds | disconnects | connections | KB up / down | seconds until, or count |\n"
    return head + "| --- | --- | --- | --- | --- | --- |\n" + "\n".join(r.row() for r in results) + "\n"


def write(results: list[Result], page: Path = PAGE) -> None:
    """Replace the table between the marks in the page."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no marks for the table: {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n{table(results)}{end}{after}", encoding="utf-8")
