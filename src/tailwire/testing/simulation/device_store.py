"""Where a device keeps its session: in memory, or in real files that a second process of its app finds too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tailwire.sdk.io.files import FileSessionStore
from tailwire.sdk.session import MemorySessionStore

DeviceStore = MemorySessionStore | FileSessionStore
"""The stores in which a device can keep its session."""


class ProcessFiles(FileSessionStore):
    """The files of a device as used by one process of its app. After `end_process` it writes nothing.

    Args:
        folder: the folder of the device.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self._alive = True
        self._release: Callable[[], None] = lambda: None

    def claim(self, app_id: str) -> Callable[[], None]:
        """Claim the session for this process, and return what releases it.

        Raises:
            CometChatException: SESSION_IN_USE: another process has the session.
        """
        self._release = super().claim(app_id)
        return self._release

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        """Save a session, unless the process was killed."""
        if self._alive:
            super().save(app_id, session)

    def clear(self, app_id: str) -> None:
        """Remove a session, unless the process was killed."""
        if self._alive:
            super().clear(app_id)

    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None:
        """Save a user's outbox, unless the process was killed; None removes it."""
        if self._alive:
            super().save_outbox(app_id, uid, outbox)

    def end_process(self) -> None:
        """End the process, as SIGKILL does: it writes nothing more, and the system releases its lock."""
        self._alive = False
        self._release()


def for_next_process(store: DeviceStore) -> DeviceStore:
    """Return a store for the next process of a device, with what the given one contains now.

    What an earlier process saves later does not change a copy in memory.
    """
    if isinstance(store, ProcessFiles):
        return ProcessFiles(store.folder)
    copy = MemorySessionStore()
    copy.__dict__.update(deepcopy(store.__dict__))  # what a killed process saves from now on is lost
    return copy
