"""Where the sessions of bots are stored."""

from __future__ import annotations

import hashlib

from tailwire.sdk.io.files import FileSessionStore
from tailwire.wire.identifiers import stored_id


def session_store_of(uid: str) -> FileSessionStore:
    """Return the session store of a bot: a folder for each uid, because several bots may run on one machine.

    Args:
        uid: the uid as the bot's author gave it. The folder is that of its lower case, unless only one of this spelling
            exists, which a version made that told spellings apart.
    """
    from platformdirs import user_data_path

    bots = user_data_path("tailwire", appauthor=False) / "bots"
    folder, as_given = (bots / _folder_name(spelling) for spelling in (stored_id(uid), uid))
    return FileSessionStore(as_given if as_given.is_dir() and not folder.is_dir() else folder)


def _folder_name(uid: str) -> str:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in uid)[:60]
    return f"{safe}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"
