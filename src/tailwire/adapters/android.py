"""An Android app in Python: Chaquopy, or python-for-android.

Written from the documented interfaces, and tested against imitations of them: it has not run on a device yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Word
    from tailwire.adapters.watching import Informed

Say = Callable[["Word"], None]
_LIBRARY = "androidx.lifecycle:lifecycle-process:2.8.7"


def watch_android(chat: Informed) -> Watch:
    """Watch an Android app, and report to a client that it is `paused` while none of its activities is on the screen.

    A dialog, the notification shade and a call in front of the app change nothing (`onPause`); what counts is `onStop`.
    With Kivy use `watch_kivy`, with Toga `watch_toga`.

    This has not run on a device yet. It follows the documented interfaces of:

    - Chaquopy: AndroidX's `ProcessLifecycleOwner`, which reports the background 700 ms after the last activity has
      stopped, so that a rotation is none. The app's Gradle file needs
      `implementation "androidx.lifecycle:lifecycle-process:2.8.7"` or newer.
    - python-for-android: `android.activity.register_activity_lifecycle_callbacks`; activities that have started are
      counted, and one that is about to be made anew is not missed.

    Android tells it in the app's main thread. The client may live in another one: its loop is told there.

    Args:
        chat: a `ChatClient`, initialised; call this on its event loop. Or a `tailwire.sync.Client`, from any thread.

    Returns:
        The watch. `knows` has `paused`.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        RuntimeError: this is not Android; or Chaquopy's app lacks the library `lifecycle-process`.
        TypeError: `chat` is no client.
    """
    observe = _observe_by_chaquopy() or _observe_by_python_for_android()
    if observe is None:
        raise RuntimeError(
            "this is not Android: found neither the module `java` (Chaquopy) nor `android.activity` "
            "(python-for-android); call set_app_state() yourself"
        )
    watch = Watch(chat, "android", ["paused"])
    try:
        watch.at_close(observe(watch.say))
    except BaseException:
        watch.close()
        raise
    return watch


def _observe_by_chaquopy() -> Callable[[Say], Callable[[], None]] | None:
    try:
        from java import dynamic_proxy, jclass
    except ImportError:
        return None

    def observe(say: Say) -> Callable[[], None]:
        try:
            owner = jclass("androidx.lifecycle.ProcessLifecycleOwner")
            interface = jclass("androidx.lifecycle.LifecycleEventObserver")
        except Exception as e:  # of Java: the class is not found
            raise RuntimeError(f'{_LIBRARY} is missing: add implementation "{_LIBRARY}" to the Gradle file') from e
        words: dict[str, Word] = {"ON_START": "resumed", "ON_STOP": "paused"}

        # One method, where a DefaultLifecycleObserver has six: a proxy has no default methods.
        class Observer(dynamic_proxy(interface)):  # type: ignore[misc]
            def onStateChanged(self, _source: object, event: Any) -> None:
                word = words.get(event.name())
                if word is not None:
                    say(word)

        class Work(dynamic_proxy(jclass("java.lang.Runnable"))):  # type: ignore[misc]
            def __init__(self, work: Callable[[], object]) -> None:
                super().__init__()
                self._work = work

            def run(self) -> None:
                self._work()

        main = jclass("android.os.Handler")(jclass("android.os.Looper").getMainLooper())
        lifecycle, observer = owner.get().getLifecycle(), Observer()
        main.post(Work(lambda: lifecycle.addObserver(observer)))  # a lifecycle is used in the main thread only
        return lambda: main.post(Work(lambda: lifecycle.removeObserver(observer)))

    return observe


def _observe_by_python_for_android() -> Callable[[Say], Callable[[], None]] | None:
    try:
        from android.activity import register_activity_lifecycle_callbacks, unregister_activity_lifecycle_callbacks
    except ImportError:
        return None

    def observe(say: Say) -> Callable[[], None]:
        started_ones: set[int] = set()

        def has_started(activity: Any) -> None:
            started_ones.add(activity.hashCode())
            say("resumed")

        def has_stopped(activity: Any) -> None:
            started_ones.discard(activity.hashCode())
            if not started_ones and not activity.isChangingConfigurations():
                say("paused")

        held = register_activity_lifecycle_callbacks(onActivityStarted=has_started, onActivityStopped=has_stopped)
        return lambda: unregister_activity_lifecycle_callbacks(held)

    return observe
