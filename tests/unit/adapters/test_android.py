"""The Android adapter with imitations of Chaquopy and python-for-android, following their documentation."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from types import ModuleType

import pytest

from recording_clients import RecordingClient
from tailwire import watch_android


class Main:
    """Imitates Android's main thread: a looper that runs posted functions."""

    def __init__(self):
        self._work = queue.Queue()
        self.thread = threading.Thread(target=self._run, name="main looper")
        self.thread.start()

    def _run(self):
        while (work := self._work.get()) is not None:
            work()

    def post(self, work):
        self._work.put(work)

    def do(self, work):
        """Run a function after the posted ones, and raise its exception."""
        done = queue.Queue()

        def run():
            try:
                done.put((work(), None))
            except Exception as e:
                done.put((None, e))

        self.post(run)
        _, error = done.get(timeout=10)
        if error is not None:
            raise error

    def end(self):
        self.post(None)
        self.thread.join(10)


@pytest.fixture
def main():
    main = Main()
    yield main
    main.end()


class Event:
    def __init__(self, name):
        self._name = name

    def name(self):
        return self._name


class Lifecycle:
    """Imitates AndroidX's `Lifecycle`: main thread only; a new observer first gets the current state."""

    def __init__(self, main):
        self._main = main
        self.observers = []

    def _check(self):
        if threading.current_thread() is not self._main.thread:
            raise RuntimeError("Method addObserver must be called on the main thread")

    def addObserver(self, observer):
        self._check()
        self.observers.append(observer)
        for name in ("ON_CREATE", "ON_START", "ON_RESUME"):
            observer.onStateChanged(self, Event(name))

    def removeObserver(self, observer):
        self._check()
        self.observers.remove(observer)

    def happens(self, *names):
        def notify():
            for name in names:
                for observer in list(self.observers):
                    observer.onStateChanged(self, Event(name))

        self._main.do(notify)


@pytest.fixture
def lifecycle(main, monkeypatch):
    """Imitates Chaquopy's module `java` with some classes."""
    lifecycle = Lifecycle(main)

    class Interface:
        def __init__(self, name):
            self.name = name

    class Owner:
        @staticmethod
        def get():
            return Owner

        @staticmethod
        def getLifecycle():
            return lifecycle

    class Looper:
        @staticmethod
        def getMainLooper():
            return main

    class Handler:
        def __init__(self, looper):
            assert looper is main

        def post(self, runnable):
            assert runnable.implements == ("java.lang.Runnable",)
            main.post(runnable.run)
            return True

    classes = {
        "androidx.lifecycle.ProcessLifecycleOwner": Owner,
        "androidx.lifecycle.LifecycleEventObserver": Interface("androidx.lifecycle.LifecycleEventObserver"),
        "java.lang.Runnable": Interface("java.lang.Runnable"),
        "android.os.Looper": Looper,
        "android.os.Handler": Handler,
    }

    def jclass(name):
        if name not in classes:
            raise Exception(f"java.lang.NoClassDefFoundError: {name}")
        return classes[name]

    def dynamic_proxy(*interfaces):
        class Proxy:
            implements = tuple(interface.name for interface in interfaces)

        return Proxy

    java = ModuleType("java")
    java.jclass, java.dynamic_proxy, java.classes = jclass, dynamic_proxy, classes
    monkeypatch.setitem(sys.modules, "java", java)
    return lifecycle


async def turns(main):
    """Let Android's main thread, and then the event loop, do what they were given."""
    await asyncio.to_thread(main.do, lambda: None)
    for _ in range(3):
        await asyncio.sleep(0)


async def test_chaquopy_app_that_stops_is_paused_and_one_that_starts_is_resumed(main, lifecycle):
    chat, here = RecordingClient(), threading.current_thread().name
    watch = watch_android(chat)
    await turns(main)
    assert chat.states == ["foreground"]
    assert watch.knows == {"paused"}
    lifecycle.happens("ON_PAUSE", "ON_RESUME", "ON_PAUSE")  # a dialog, a call, the notification shade
    await turns(main)
    assert chat.states == ["foreground"]
    lifecycle.happens("ON_STOP")
    await turns(main)
    assert watch.seen == "paused"
    lifecycle.happens("ON_START", "ON_RESUME")
    await turns(main)
    assert chat.states == ["foreground", "background", "foreground"]
    assert set(chat.threads) == {here}, "told on the client's loop, not in Android's main thread"
    watch.close()
    await turns(main)
    assert lifecycle.observers == []


async def test_chaquopy_watch_that_is_closed_at_once_leaves_no_observer(main, lifecycle):
    with watch_android(RecordingClient()):
        pass
    await turns(main)
    assert lifecycle.observers == []


def test_error_without_the_lifecycle_library_of_chaquopy_names_it(lifecycle):
    del sys.modules["java"].classes["androidx.lifecycle.ProcessLifecycleOwner"]
    chat = RecordingClient()
    with pytest.raises(RuntimeError, match="lifecycle-process"):
        watch_android(chat)
    assert chat.states == ["foreground"]


class Activity:
    def __init__(self, *, changing=False):
        self._changing = changing

    def hashCode(self):
        return id(self)

    def isChangingConfigurations(self):
        return self._changing


class Registered:
    """Imitates python-for-android's `android.activity`: callbacks run in the main thread."""

    def __init__(self, main):
        self._main = main
        self.instances = []

    def register(self, **callbacks):
        self.instances.append(callbacks)
        return callbacks

    def unregister(self, instance):
        self.instances.remove(instance)

    def happens(self, *what):
        def notify():
            for name, activity in what:
                for callbacks in list(self.instances):
                    if name in callbacks:
                        callbacks[name](activity)

        self._main.do(notify)


@pytest.fixture
def activities(main, monkeypatch):
    registered = Registered(main)
    package, activity = ModuleType("android"), ModuleType("android.activity")
    package.__path__, package.activity = [], activity
    activity.register_activity_lifecycle_callbacks = registered.register
    activity.unregister_activity_lifecycle_callbacks = registered.unregister
    monkeypatch.setitem(sys.modules, "java", None)
    monkeypatch.setitem(sys.modules, "android", package)
    monkeypatch.setitem(sys.modules, "android.activity", activity)
    return registered


async def test_python_for_android_app_is_paused_when_its_last_activity_stops(main, activities):
    chat, first, second = RecordingClient(), Activity(), Activity()
    watch = watch_android(chat)  # the first activity has started already
    activities.happens(("onActivityPaused", first), ("onActivityResumed", first))
    activities.happens(("onActivityStarted", second), ("onActivityStopped", first))
    await turns(main)
    assert watch.seen == "resumed"
    activities.happens(("onActivityStarted", first), ("onActivityStopped", second))
    await turns(main)
    assert chat.states == ["foreground"]
    activities.happens(("onActivityStopped", first))
    await turns(main)
    assert watch.seen == "paused"
    activities.happens(("onActivityStarted", first))
    await turns(main)
    assert chat.states == ["foreground", "background", "foreground"]
    watch.close()
    assert activities.instances == []


async def test_python_for_android_stop_of_a_rotated_activity_is_ignored(main, activities):
    chat, old, new = RecordingClient(), Activity(changing=True), Activity()
    with watch_android(chat) as watch:
        activities.happens(("onActivityStopped", old), ("onActivityStarted", new))
        await turns(main)
        assert chat.states == ["foreground"]
        activities.happens(("onActivityStopped", new))
        await turns(main)
        assert watch.seen == "paused"


def test_thread_safe_client_is_called_in_androids_thread(main, activities):
    chat = RecordingClient()
    with watch_android(chat):
        activities.happens(("onActivityStopped", Activity()))
        assert (chat.states[-1], chat.threads[-1]) == ("background", "main looper")


def test_platforms_other_than_android_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "java", None)
    monkeypatch.setitem(sys.modules, "android.activity", None)
    with pytest.raises(RuntimeError, match="this is not Android"):
        watch_android(RecordingClient())
