"""The actions on a selected message: its menu, reactions, deletion, receipts."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from textual.app import App

from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.live.message_list import LiveMessage
from tailwire.tui.files import FileProblem, downloads, is_web_address, save_file
from tailwire.tui.pane import Pane
from tailwire.tui.picker import Choice, Picker, find_among, matching_choices
from tailwire.tui.safe_text import safe_line
from tailwire.tui.wording import body_of, error_text, files_of, name_of, time_text
from tailwire.wire.entities import Action, MediaMessage, TextMessage

EMOJI_CHOICES = (
    Choice("👍 thumbs up", "👍"),
    Choice("❤ heart", "❤"),
    Choice("😂 joy", "😂"),
    Choice("🎉 party", "🎉"),
    Choice("😮 surprised", "😮"),
    Choice("😢 sad", "😢"),
    Choice("🙏 thanks", "🙏"),
    Choice("👀 eyes", "👀"),
    Choice("✅ done", "✅"),
    Choice("🔥 fire", "🔥"),
    Choice("🚀 rocket", "🚀"),
    Choice("👎 thumbs down", "👎"),
)
MAX_REACTION_CHARACTERS = 16


def menu_of(item: LiveMessage, me: str, *, in_thread: bool) -> list[Choice]:
    """Return the entries of a message's menu; the value of an entry is the name of a command of `history.COMMANDS`.

    The list is empty for a deleted message, and for an action such as a member joining.

    Args:
        item: the message.
        me: the user's own uid.
        in_thread: whether the message is shown in the pane of a thread.
    """
    message = item.message
    if str(item.state) != "sent":
        retry = [Choice("Send again", "reply", "r")] if str(item.state) == "failed" else []
        return [*retry, Choice("Do not send", "delete", "d"), Choice("Copy", "copy", "c")]
    if message.deleted_at or isinstance(message, Action):
        return []
    mine = message.sender.uid == me
    choices = [Choice("Reply", "reply", "r"), Choice("React", "react", "+")]
    if not in_thread:
        choices.append(Choice("Open the thread", "thread", "t"))
    if mine and isinstance(message, TextMessage):
        choices.append(Choice("Edit", "edit", "e"))
    if isinstance(message, MediaMessage) and message.attachment:
        choices += [Choice("Open the file", "open", "o"), Choice("Save the file", "save", "s")]
    choices.append(Choice("Copy the URL of the file" if isinstance(message, MediaMessage) else "Copy", "copy", "c"))
    if mine:
        choices.append(Choice("Who read it", "receipts", "i"))
    return [*choices, Choice("Delete", "delete", "d")]


class MessageActions:
    """Carries out commands on a message of a pane. Failures are shown to the user, not raised."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app

    def _notify_user(self, text: str, *, error: bool = False) -> None:
        self._app.notify(text, severity="error" if error else "information", markup=False)

    async def _try(self, call: Awaitable[object], failure: str) -> None:
        try:
            await call
        except CometChatException as e:
            self._notify_user(f"{failure} {error_text(e)}", error=True)

    async def choose(self, pane: Pane, item: LiveMessage) -> str:
        """Show the menu of a message and wait for the choice. Call it in a worker.

        Returns:
            The name of the chosen command; "" if the user closed the menu, or there is nothing to choose.
        """
        choices = menu_of(item, pane.history.me, in_thread=bool(pane.place and pane.place.parent))
        if not choices:
            return ""
        return str(await self._app.push_screen_wait(Picker("Message", "What to do", find_among(choices))) or "")

    async def carry_out(self, pane: Pane, item: LiveMessage, name: str) -> None:
        """Carry out a command on a message. Call it in a worker, because it may open windows and wait for them.

        Saving a file, deleting and reacting continue in a worker of the pane, which the next command does not cancel.

        Args:
            pane: the pane that shows the message.
            item: the message.
            name: the name of a command of `history.COMMANDS`; `menu`, `thread`, `leave` and "" have no effect.
        """
        if name == "reply" and str(item.state) == "failed":
            item.entry.retry()
        elif name == "reply":
            if not pane.reply(item):
                self._notify_user("This message cannot be replied to.")
        elif name == "edit":
            if not pane.edit(item):
                self._notify_user("Only your own text messages can be edited.")
        elif name == "copy":
            self._copy(item)
        elif name in ("open", "save"):
            self._open_or_save_file(pane, item, name)
        elif name == "delete":
            await self._delete(pane, item)
        elif name == "react" and self._is_sent(item):
            await self._react(pane, item)
        elif name == "receipts" and self._is_sent(item):
            await self._show_receipts(pane, item)

    def _is_sent(self, item: LiveMessage) -> bool:
        sent = bool(item.message.id) and not item.message.deleted_at
        if not sent:
            self._notify_user("This message is not on the server.")
        return sent

    def _copy(self, item: LiveMessage) -> None:
        message = item.message
        first = message.attachment if isinstance(message, MediaMessage) else None
        self._app.copy_to_clipboard(first.url if first else body_of(message))
        self._notify_user("Copied, if the terminal allows it.")

    def _open_or_save_file(self, pane: Pane, item: LiveMessage, name: str) -> None:
        message = item.message
        file = message.attachment if isinstance(message, MediaMessage) and not message.deleted_at else None
        if file is None:
            self._notify_user("This message has no file.")
        elif name == "open":
            if is_web_address(file.url):
                self._app.open_url(file.url)
                self._notify_user("Opened in the browser, if there is one.")
            else:
                self._notify_user("The file has no URL with http or https.", error=True)
        else:
            pane.run_worker(self._save(file.url, file.name or "file"), group="action")

    async def _save(self, url: str, name: str) -> None:
        try:
            path = await save_file(url, name, downloads())
        except (FileProblem, OSError) as e:
            self._notify_user(f"Not saved. {error_text(e)}", error=True)
            return
        self._notify_user(f"Saved: {safe_line(str(path))}")

    async def _delete(self, pane: Pane, item: LiveMessage) -> None:
        if item.entry is not None and str(item.state) != "sent":
            if not item.entry.cancel() and str(item.state) == "pending":
                self._notify_user("Too late: the message is being sent.")
            return
        if not self._is_sent(item):
            return
        choices = [Choice("Delete it for everyone", True), Choice("Keep it", False)]
        if await self._app.push_screen_wait(Picker("Delete the message?", "", find_among(choices))):
            pane.run_worker(self._try(pane.client.delete_message(item.message.id), "Not deleted."), group="action")

    async def _react(self, pane: Pane, item: LiveMessage) -> None:
        async def find(typed: str) -> Sequence[Choice]:
            typed = typed.strip()
            other = [Choice(f"React with {typed}", typed)] if 0 < len(typed) <= MAX_REACTION_CHARACTERS else []
            return [*matching_choices(EMOJI_CHOICES, typed), *other]

        reaction = await self._app.push_screen_wait(Picker("React", "Name of an emoji, or the emoji itself", find))
        if not reaction:
            return
        mine = any(r.reaction == reaction and r.reacted_by_me for r in item.message.reactions)
        client = pane.client
        change = client.remove_reaction if mine else client.add_reaction
        changing = self._try(change(item.message.id, reaction), "The reaction was not changed.")
        pane.run_worker(changing, group="action")

    async def _show_receipts(self, pane: Pane, item: LiveMessage) -> None:
        client = pane.client

        async def find(typed: str) -> Sequence[Choice]:
            choices = []
            for receipt in await client.get_message_receipts(item.message.id):
                read = f"read {time_text(receipt.read_at)}" if receipt.read_at else ""
                choices.append(
                    Choice(name_of(receipt.sender), None, read or f"received {time_text(receipt.delivered_at)}")
                )
            return matching_choices(choices, typed)

        title = "Who received and read it"
        await self._app.push_screen_wait(Picker(title, "Name", find, empty="No other device has received it yet."))


def result_line(message: Any) -> str:
    """Return a line about a found message: time, sender, and its text or the names of its files."""
    files = files_of(message)
    return f"{time_text(message.sent_at)}  {name_of(message.sender)}: {body_of(message) or ' '.join(files)}"
