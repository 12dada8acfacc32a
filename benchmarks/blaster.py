"""Our server; on SIGUSR2 it writes 20,000 message frames to bob's sockets, as fast as they accept them."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from tailwire.cli.serve import loop_factory
from tailwire.server.app import running_server
from tailwire.server.config import load

COUNT = 20_000
FRAMES_PER_WRITE = 200


def texts(count: int) -> list[str]:
    """Return the texts of message frames as the server itself encodes them."""
    user = '{"uid":"%s","name":"%s","role":"default","status":"available","createdAt":1700000000}'
    entity = '{"entity":%s,"entityType":"user"}'
    alice, bob = entity % (user % ("alice", "Alice")), entity % (user % ("bob", "Bob"))
    body = (
        '{"id":"%d","conversationId":"alice_user_bob","sender":"alice","receiverType":"user","receiver":"bob",'
        '"category":"message","type":"text","data":{"text":"message number %d","entities":{"sender":' + alice + ","
        '"receiver":' + bob + '},"resource":"x"},"sentAt":1700000000,"muid":"m%d","updatedAt":1700000000}'
    )
    head = (
        '{"appId":"a","receiver":"bob","receiverType":"user","deviceId":"x","type":"message","sender":"alice","body":'
    )
    return [head + body % (n, n, n) + "}" for n in range(1, count + 1)]


def frames() -> list[bytes]:
    """Return what each write sends: `FRAMES_PER_WRITE` frames, joined."""
    from tailwire.server.fanout.frames import text_frame

    made = [text_frame(text.encode()) for text in texts(COUNT)]
    return [b"".join(made[start : start + FRAMES_PER_WRITE]) for start in range(0, COUNT, FRAMES_PER_WRITE)]


async def main() -> None:
    """Run the server."""
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=False))
    settings = load({"data": options["--data"], "port": 0, "ready_file": options["--ready-file"], "demo_users": True})
    async with running_server(settings, signals=(signal.SIGTERM,)) as server:
        ready = frames()

        async def blast() -> None:
            sockets = [s for s in server.parts.gateway._sockets if s.uid == "bob"]
            for data in ready:
                for s in sockets:
                    while s.buffered() > 1 << 20:
                        await asyncio.sleep(0.001)
                    s.write(data)

        tasks = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, lambda: tasks.append(loop.create_task(blast())))
        await server.server.serve([server.listening])


if __name__ == "__main__":
    Path(sys.argv[sys.argv.index("--data") + 1]).mkdir(exist_ok=True)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
