"""A window over the chat with a field and a list: type to find, Enter to choose, Escape to leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from tailwire.sdk.exceptions import CometChatException
from tailwire.tui.safe_text import safe_line
from tailwire.tui.wording import error_text

MAX_CHOICES = 100


class Choice(NamedTuple):
    """An entry of the list of a `Picker`.

    Attributes:
        label: the text of the entry; need not be safe for a terminal.
        value: the result of the window if this entry is chosen.
        note: shown after the label, dimmed.
    """

    label: str
    value: Any
    note: str = ""


Find = Callable[[str], Awaitable[Sequence[Choice]]]
"""Returns the choices for the typed text, best first. If it raises `CometChatException`, the error is shown instead."""


def matching_choices(choices: Sequence[Choice], typed: str) -> list[Choice]:
    """Return the choices whose labels contain the typed characters in this order, perhaps with others between them.

    Best matches come first. If the typed text is blank, all choices are returned in their order.
    """
    if not typed.strip():
        return list(choices)
    matcher = Matcher(typed.strip())
    ranked = [(matcher.match(choice.label), choice) for choice in choices]
    return [choice for score, choice in sorted(ranked, key=lambda pair: -pair[0]) if score > 0]


def find_among(choices: Sequence[Choice]) -> Find:
    """Return a function for `Picker` that searches among these choices with `matching_choices`."""

    async def find(typed: str) -> Sequence[Choice]:
        return matching_choices(choices, typed)

    return find


class Picker(ModalScreen[Any]):
    """A window to choose one entry. Its result is the value of the chosen entry; None if the user closed the window.

    Args:
        title: the title of the window.
        hint: shown in the field while it is empty.
        find: called with the typed text at first and after each change; the first `MAX_CHOICES` choices that it returns
            are listed.
        empty: shown in place of the list if there are no choices.
    """

    CSS = """
    Picker { align: center top; background: $background 60%; }
    Picker > Vertical {
        width: 64; max-width: 94%; height: auto; max-height: 80%; margin-top: 2;
        background: $surface; border: round $primary; border-title-color: $text; padding: 0 1;
    }
    Picker Input { border: none; height: 1; padding: 0; margin-bottom: 1; background: $surface; }
    Picker OptionList { border: none; height: auto; max-height: 18; padding: 0; background: $surface; }
    Picker Static { color: $text-muted; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close"),
        Binding("down", "move(1)", "Next", show=False, priority=True),
        Binding("up", "move(-1)", "Previous", show=False, priority=True),
    ]

    def __init__(self, title: str, hint: str, find: Find, *, empty: str = "Nothing found.") -> None:
        super().__init__()
        self._title, self._hint, self._find, self._empty = title, hint, find, empty
        self._choices: list[Choice] = []

    def compose(self) -> ComposeResult:
        """Yield the field and the list."""
        with Vertical() as box:
            box.border_title = Content(self._title)  # a string would be parsed as markup, and contain others' names
            yield Input(placeholder=self._hint)
            yield OptionList(markup=False)
            yield Static(markup=False)

    def on_mount(self) -> None:
        """List the choices for an empty text."""
        self._search("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """List the choices for the typed text."""
        self._search(event.value)

    def _search(self, typed: str) -> None:
        self.run_worker(self._fill_list(typed), exclusive=True, group="find")

    async def _fill_list(self, typed: str) -> None:
        text = self._empty
        try:
            self._choices = list(await self._find(typed))[:MAX_CHOICES]
        except CometChatException as e:
            self._choices, text = [], error_text(e)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(
            [
                Content.assemble(safe_line(choice.label), (f"  {safe_line(choice.note)}" if choice.note else "", "dim"))
                for choice in self._choices
            ]
        )
        if self._choices:
            options.highlighted = 0
        note = self.query_one(Static)
        note.update(text)
        note.display = not self._choices

    def action_move(self, step: int) -> None:
        """Move the highlight down by `step` entries, or up if it is negative; it wraps at the ends."""
        options = self.query_one(OptionList)
        if self._choices:
            options.highlighted = ((options.highlighted or 0) + step) % len(self._choices)

    def action_leave(self) -> None:
        """Close without a choice."""
        self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Choose the highlighted entry."""
        event.stop()
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._choices):
            self.dismiss(self._choices[at].value)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the entry that was clicked."""
        event.stop()
        self.dismiss(self._choices[event.option_index].value)
