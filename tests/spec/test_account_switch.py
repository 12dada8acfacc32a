"""The login of another user during a call: what the call began for one user is not done for the next, nor seen by them."""

from __future__ import annotations

import asyncio

import pytest

from harness import Actor, Stage
from tailwire import CometChatException, MediaMessage, UploadAttachment, UploadFile, UploadFileListener


def files(count: int) -> list[UploadFile]:
    return [UploadFile(content=bytes(1_000_000), name=f"{n}.bin") for n in range(count)]


class Switch:
    """Logs another user in while a file is being uploaded. Its methods are called with the progress of uploads."""

    def __init__(self, stage: Stage, actor: Actor, uid: str) -> None:
        stage.network.set_line("", 1e6, 1e6, 0.01)  # an upload takes longer than the login
        self.login: asyncio.Task | None = None
        self._actor, self._uid, self._key = actor, uid, stage.server.auth_key

    def on_progress(self, name: str, sent: int, size: int) -> None:
        if self.login is None:
            self.login = asyncio.create_task(self._actor.chat.login(self._uid, auth_key=self._key))


async def test_media_message_of_a_user_is_not_sent_as_the_next_user(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    switch = Switch(stage, alice, "carol")
    media = MediaMessage(receiver="bob", type="file", files=files(1))
    with pytest.raises(CometChatException, match="USER_NOT_LOGGED_IN"):
        await alice.chat.send_media_message(media, on_progress=switch.on_progress)
    assert (await switch.login).uid == "carol"
    await stage.pass_time(60)
    assert bob.ears.all("media") == []


async def owners_of_files(stage: Stage) -> set[str]:
    rows = await stage.server.parts.store.database.rows("SELECT uid FROM files")
    return {row[0] for row in rows}


async def test_files_of_a_user_are_not_uploaded_as_the_next_user(stage: Stage):
    alice = await stage.enter("alice")
    switch = Switch(stage, alice, "carol")
    with pytest.raises(CometChatException, match="USER_NOT_LOGGED_IN"):
        await alice.chat.upload_attachments("bob", "user", files(3), on_progress=switch.on_progress)
    assert (await switch.login).uid == "carol"
    assert await owners_of_files(stage) == {"alice"}


async def test_upload_request_of_a_user_uploads_nothing_as_the_next_user(stage: Stage):
    alice = await stage.enter("alice")
    switch = Switch(stage, alice, "carol")

    class Listener(UploadFileListener):
        def on_file_progress(self, file_id, loaded, total, percent):
            switch.on_progress(file_id, loaded, total)

    uploads = [UploadAttachment(file.name, file) for file in files(3)]
    result = await alice.chat.create_upload_file_request("bob", "user").upload_attachments(uploads, Listener())
    assert (await switch.login).uid == "carol"
    assert {e.code for e in result.rejected.values()} == {"USER_NOT_LOGGED_IN"}
    assert len(result.rejected) == 2
    assert await owners_of_files(stage) == {"alice"}
