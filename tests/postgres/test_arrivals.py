"""A process that shares a database with others receives what they send from the moment at which it connects."""

from __future__ import annotations

import asyncio

from tailwire.server.broker.notify import NotifyBroker
from tailwire.server.ports.broker import FramePublication, Publication
from tailwire.server.store.postgres.connecting import connect_listener
from tailwire.server.telemetry.metrics import Metrics

SUBJECT = "user.bob"


class Recorder:
    """Records what a process receives from others."""

    def __init__(self) -> None:
        self.received_subjects: list[str] = []
        self.changed = asyncio.Event()

    def received(self, subject: str, publication: Publication) -> None:
        self.received_subjects.append(subject)
        self.changed.set()

    def recorded(self, record: object) -> None: ...
    def connection_changed(self) -> None: ...


def broker(url: str, name: str) -> NotifyBroker:
    made = NotifyBroker(lambda: connect_listener(url), name, lambda: 0, Metrics())
    made.subscribe(SUBJECT)
    return made


async def test_process_that_was_alone_sends_to_one_that_has_just_started(postgres_url: str):
    first, second, heard = broker(postgres_url, "first"), broker(postgres_url, "second"), Recorder()
    await first.start(Recorder())
    began = asyncio.get_running_loop().time()
    first.record_look(alone=True, began=began)
    try:
        await second.start(heard)
        first.record_look(alone=True, began=began)  # from a look that began before the second process arrived
        async with asyncio.timeout(10):
            while not heard.received_subjects:
                first.publish(SUBJECT, FramePublication(b"{}"))
                await asyncio.sleep(0)
    finally:
        await first.close()
        await second.close()


async def test_process_that_is_alone_sends_nothing(postgres_url: str):
    first, second, heard = broker(postgres_url, "first"), broker(postgres_url, "second"), Recorder()
    second.subscribe("user.carol")
    await second.start(heard)
    await first.start(Recorder())
    loop = asyncio.get_running_loop()
    try:
        first.record_look(alone=True, began=loop.time())
        first.publish("user.carol", FramePublication(b"{}"))
        first.record_look(alone=False, began=loop.time())
        first.publish(SUBJECT, FramePublication(b"{}"))
        async with asyncio.timeout(10):
            await heard.changed.wait()
        assert heard.received_subjects == [SUBJECT]
    finally:
        await second.close()
        await first.close()
