"""The iOS adapter with an imitated rubicon-objc, following its documentation."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from recording_clients import RecordingClient
from tailwire import watch_ios

ENTERED, ENTERS = "UIApplicationDidEnterBackgroundNotification", "UIApplicationWillEnterForegroundNotification"
RESIGNS = "UIApplicationWillResignActiveNotification"


class Center:
    """Imitates `NSNotificationCenter`, with rubicon's keyword arguments."""

    def __init__(self):
        self.observers = {}
        self.fails = False

    def addObserverForName(self, name, /, *, object, queue, usingBlock):
        if self.fails and self.observers:
            raise RuntimeError("no more observers")
        assert object is None
        assert queue is None
        token = f"observer {len(self.observers)}"
        self.observers[token] = (name, usingBlock)
        return token

    def removeObserver(self, token):
        del self.observers[token]

    def post(self, name):
        for which, block in list(self.observers.values()):
            if which == name:
                block.function("a notification")


@pytest.fixture
def center(monkeypatch):
    center = Center()

    class Block:
        def __init__(self, function, result, *arguments):
            assert result is None
            assert arguments == (objc_id,)
            self.function = function

    class objc_id:
        pass

    def objc_class(name):
        assert name == "NSNotificationCenter"
        return type(name, (), {"defaultCenter": center})

    rubicon, objc, runtime = ModuleType("rubicon"), ModuleType("rubicon.objc"), ModuleType("rubicon.objc.runtime")
    rubicon.__path__ = objc.__path__ = []
    objc.Block, objc.ObjCClass, runtime.objc_id = Block, objc_class, objc_id
    for module in (rubicon, objc, runtime):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return center


def test_background_is_paused_and_foreground_is_resumed(center):
    chat = RecordingClient()
    watch = watch_ios(chat)
    center.post(RESIGNS)
    assert chat.states == ["foreground"]
    center.post(ENTERED)
    assert watch.seen == "paused"
    center.post(ENTERS)
    assert chat.states == ["foreground", "background", "foreground"]
    assert watch.knows == {"paused"}
    watch.close()
    assert center.observers == {}


def test_failed_start_leaves_no_observer(center):
    center.fails = True
    with pytest.raises(RuntimeError, match="no more observers"):
        watch_ios(RecordingClient())
    assert center.observers == {}


def test_platforms_other_than_ios_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "rubicon.objc", None)
    with pytest.raises(RuntimeError, match="rubicon-objc cannot be imported"):
        watch_ios(RecordingClient())


@pytest.mark.parametrize("error", [ImportError, OSError, ValueError])
def test_rubicon_without_objective_c_is_refused(monkeypatch, error):
    class Fails:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("rubicon"):
                raise error("Library objc not found")

    for name in [n for n in sys.modules if n.startswith("rubicon")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Fails(), *sys.meta_path])
    with pytest.raises(RuntimeError, match="on iOS"):
        watch_ios(RecordingClient())
