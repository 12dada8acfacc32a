"""Adapter for iOS apps, with rubicon-objc.

It is written from the documentation of UIKit and rubicon-objc, and is tested against imitations of them. It has
not run on a device yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Lifecycle
    from tailwire.adapters.watching import WatchedClient

_NOTIFICATIONS: dict[str, Lifecycle] = {
    "UIApplicationDidEnterBackgroundNotification": "paused",
    "UIApplicationWillEnterForegroundNotification": "resumed",
}


def watch_ios(chat: WatchedClient) -> Watch:
    """Report to a client that an iOS app is `paused` while it is in the background.

    A call, an alert, the control centre or the app switcher (`WillResignActive`) does not count. iOS gives an app about
    five seconds in the background, which is enough to close the socket. With Kivy use `watch_kivy`, with Toga
    `watch_toga`.

    This has not run on a device yet. It observes `UIApplicationDidEnterBackgroundNotification` and
    `UIApplicationWillEnterForegroundNotification`.

    Args:
        chat: an initialised `ChatClient`, when called on its event loop; or a `tailwire.sync.Client`, from any thread.

    Returns:
        The watch. What it can detect, its `knows`, is `paused`.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
        RuntimeError: this is not iOS, or rubicon-objc is missing.
        TypeError: `chat` is not a client.
    """
    try:
        from rubicon.objc import Block, ObjCClass
        from rubicon.objc.runtime import objc_id
    except (ImportError, OSError, ValueError) as e:  # rubicon's error without Objective-C depends on the platform
        raise RuntimeError("rubicon-objc cannot be imported: on iOS, pip install rubicon-objc") from e
    watch = Watch(chat, "ios", ["paused"])
    center = ObjCClass("NSNotificationCenter").defaultCenter

    def observe(name: str, lifecycle: Lifecycle) -> Callable[[], None]:
        def on_notification(_notification: object) -> None:
            watch.report_threadsafe(lifecycle)

        block = Block(on_notification, None, objc_id)  # the notification centre copies it, and rubicon keeps the copy
        token = center.addObserverForName(name, object=None, queue=None, usingBlock=block)
        return lambda: center.removeObserver(token)

    try:
        for name, lifecycle in _NOTIFICATIONS.items():
            watch.at_close(observe(name, lifecycle))
    except BaseException:
        watch.close()
        raise
    return watch
