"""`tailwire serve` whose wall clock jumps by JUMP seconds at SIGUSR1."""

from __future__ import annotations

import os
import signal
import sys
import time

from tailwire.cli.main import main
from tailwire.server.ports import world
from tailwire.server.telemetry.logs import log


class Clock:
    offset = 0

    def jump(self, *_: object) -> None:
        self.offset += int(os.environ["JUMP"])
        log.warning("the clock has jumped")


clock = Clock()
signal.signal(signal.SIGUSR1, clock.jump)
world.World.seconds = lambda self: int(time.time() + clock.offset)
world.World.milliseconds = lambda self: int((time.time() + clock.offset) * 1000)
sys.exit(main())
