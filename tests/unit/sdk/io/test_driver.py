"""The driver carries out every command of the machine."""

from __future__ import annotations

from typing import get_args

from tailwire.sdk.connection import commands
from tailwire.sdk.io.driver import Driver


def test_every_command_has_a_handler():
    assert set(Driver._HANDLERS) == set(get_args(commands.Command))
