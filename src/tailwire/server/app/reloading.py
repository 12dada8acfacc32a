"""Reads the certificate and the log level again while the server runs. Connections stay open."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Callable

from tailwire.server.app.checks import CannotStart, check_certificate
from tailwire.server.config import BadSetting, Settings
from tailwire.server.telemetry.logs import log, set_level

RELOADED_SETTINGS = frozenset({"log_level"})


class Reloader:
    """Reads the TLS certificate and the log level again, when asked to.

    Args:
        settings: the settings with which the server was started.
        load: reads the settings again from their sources (blocking); None if that is not possible, so that the log
            level stays. Raises `BadSetting` if a setting is wrong.
        certificate, key: the paths of the PEM files; "" without TLS.
        tls: returns the TLS context of new connections, into which the certificate is loaded; None without TLS.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings] | None,
        certificate: str,
        key: str,
        tls: Callable[[], ssl.SSLContext | None],
    ) -> None:
        self._settings = settings
        self._load = load
        self._certificate, self._key = certificate, key
        self._tls = tls
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Schedule a reload, unless one is in progress."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.reload(), name="tailwire reload")

    async def reload(self) -> None:
        """Read the log level and the certificate again, and use them.

        What cannot be read is logged and stays as it was. Changes of other settings are logged, and not applied.
        """
        run = asyncio.get_running_loop().run_in_executor
        if self._load is not None:
            try:
                self._apply(await run(None, self._load))
            except BadSetting as e:
                log.error("the settings were not read again: %s", e)
        tls = self._tls()
        if tls is None:
            return
        try:
            await run(None, check_certificate, self._certificate, self._key)
            tls.load_cert_chain(self._certificate, self._key)
        except (CannotStart, OSError) as e:
            log.error("the certificate was not replaced: %s", e)
        else:
            log.info("the certificate was read again; new connections use it")

    def _apply(self, new: Settings) -> None:
        set_level(new.log_level)
        log.info("the settings were read again; log_level=%s", new.log_level)
        names = [field.name for field in dataclasses.fields(Settings)]
        changed = [n for n in names if n not in RELOADED_SETTINGS and getattr(new, n) != getattr(self._settings, n)]
        if changed:
            log.warning("restart the server to apply changes of: %s", ", ".join(changed))
