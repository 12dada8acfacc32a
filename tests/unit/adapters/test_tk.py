"""What `watch_tk` refuses before it watches anything. With real windows: tests/adapters."""

from __future__ import annotations

import pytest

from tailwire.adapters.tk import watch_tk


class Client:
    def set_app_state(self, state, *, reason="app"):
        raise AssertionError("nothing is told")

    def set_network(self, network):
        raise AssertionError("nothing is told")


@pytest.mark.parametrize("root", [None, "root", 1, object()])
def test_a_root_that_is_no_widget(root):
    pytest.importorskip("tkinter")
    with pytest.raises(TypeError, match=r"give the app's tkinter\.Tk"):
        watch_tk(Client(), root)
