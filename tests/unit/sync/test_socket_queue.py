"""The queue whose functions a toolkit calls when its socket can be read."""

from __future__ import annotations

import pytest

from tailwire.sync.app_callbacks import WindowGone
from tailwire.sync.socket_queue import SocketQueue


def test_no_function_is_called_after_one_has_closed_the_window():
    waiting, called = SocketQueue("the window"), []
    waiting.post(lambda: called.append("before"))
    waiting.post(waiting.close)
    waiting.post(lambda: called.append("after"))
    waiting.call_functions()
    assert called == ["before"]
    with pytest.raises(WindowGone):
        waiting.post(lambda: called.append("later"))
