"""Adapter for Android apps, with Chaquopy or python-for-android.

It is written from the documentation of Android, Chaquopy and python-for-android, and is tested against imitations of
them. It has not run on a device yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Lifecycle
    from tailwire.adapters.watching import WatchedClient

Report = Callable[["Lifecycle"], None]
_LIFECYCLE_LIBRARY = "androidx.lifecycle:lifecycle-process:2.8.7"


def watch_android(chat: WatchedClient) -> Watch:
    """Report to a client that an Android app is `paused` while none of its activities is visible.

    A dialog, the notification shade or a call in front of the app (`onPause`) does not count; only `onStop` does. With
    Kivy use `watch_kivy`, with Toga `watch_toga`.

    This has not run on a device yet. It uses, as their documentation describes them:

    - Chaquopy: AndroidX's `ProcessLifecycleOwner`, which reports the background 700 ms after the last activity has
      stopped, so a rotation is not reported. The app's Gradle file needs
      `implementation "androidx.lifecycle:lifecycle-process:2.8.7"` or newer.
    - python-for-android: `android.activity.register_activity_lifecycle_callbacks`. Started activities are counted; one
      that is being recreated stays counted.

    Android calls back in the app's main thread. If the client's event loop runs in another thread, the report is passed
    to that loop.

    Args:
        chat: an initialised `ChatClient`, when called on its event loop; or a `tailwire.sync.Client`, from any thread.

    Returns:
        The watch. What it can detect, its `knows`, is `paused`.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        RuntimeError: this is not Android; or the library `lifecycle-process` is missing (Chaquopy).
        TypeError: `chat` is not a client.
    """
    observe = _observe_by_chaquopy() or _observe_by_python_for_android()
    if observe is None:
        raise RuntimeError(
            "this is not Android: found neither the module `java` (Chaquopy) nor `android.activity` "
            "(python-for-android); call set_app_state() yourself"
        )
    watch = Watch(chat, "android", ["paused"])
    try:
        watch.at_close(observe(watch.report_threadsafe))
    except BaseException:
        watch.close()
        raise
    return watch


def _observe_by_chaquopy() -> Callable[[Report], Callable[[], None]] | None:
    try:
        from java import dynamic_proxy, jclass
    except ImportError:
        return None

    def observe(report: Report) -> Callable[[], None]:
        try:
            owner = jclass("androidx.lifecycle.ProcessLifecycleOwner")
            interface = jclass("androidx.lifecycle.LifecycleEventObserver")
        except Exception as e:  # a Java ClassNotFoundException
            raise RuntimeError(
                f'{_LIFECYCLE_LIBRARY} is missing: add implementation "{_LIFECYCLE_LIBRARY}" to the Gradle file'
            ) from e
        lifecycles: dict[str, Lifecycle] = {"ON_START": "resumed", "ON_STOP": "paused"}

        # LifecycleEventObserver has one method. A dynamic proxy would have to implement all six of a
        # DefaultLifecycleObserver, because it does not inherit default methods.
        class Observer(dynamic_proxy(interface)):  # type: ignore[misc]
            def onStateChanged(self, _source: object, event: Any) -> None:
                lifecycle = lifecycles.get(event.name())
                if lifecycle is not None:
                    report(lifecycle)

        class Work(dynamic_proxy(jclass("java.lang.Runnable"))):  # type: ignore[misc]
            def __init__(self, work: Callable[[], object]) -> None:
                super().__init__()
                self._work = work

            def run(self) -> None:
                self._work()

        main = jclass("android.os.Handler")(jclass("android.os.Looper").getMainLooper())
        lifecycle, observer = owner.get().getLifecycle(), Observer()
        main.post(Work(lambda: lifecycle.addObserver(observer)))  # a lifecycle may only be used in the main thread
        return lambda: main.post(Work(lambda: lifecycle.removeObserver(observer)))

    return observe


def _observe_by_python_for_android() -> Callable[[Report], Callable[[], None]] | None:
    try:
        from android.activity import register_activity_lifecycle_callbacks, unregister_activity_lifecycle_callbacks
    except ImportError:
        return None

    def observe(report: Report) -> Callable[[], None]:
        started: set[int] = set()

        def on_started(activity: Any) -> None:
            started.add(activity.hashCode())
            report("resumed")

        def on_stopped(activity: Any) -> None:
            started.discard(activity.hashCode())
            if not started and not activity.isChangingConfigurations():
                report("paused")

        callbacks = register_activity_lifecycle_callbacks(onActivityStarted=on_started, onActivityStopped=on_stopped)
        return lambda: unregister_activity_lifecycle_callbacks(callbacks)

    return observe
