"""Arguments that `watch_tk` refuses. With real windows: tests/adapters."""

from __future__ import annotations

import pytest

from recording_clients import RecordingClient
from tailwire.adapters.tk import watch_tk


@pytest.mark.parametrize("root", [None, "root", 1, object()])
def test_invalid_root_is_refused(root):
    pytest.importorskip("tkinter")
    with pytest.raises(TypeError, match=r"give the app's tkinter\.Tk"):
        watch_tk(RecordingClient(), root)
