"""An iOS app in Python, by rubicon-objc.

Written from the documented interfaces, and tested against imitations of them: it has not run on a device yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tailwire.adapters.watching import Watch

if TYPE_CHECKING:
    from tailwire.adapters.rule import Word
    from tailwire.adapters.watching import Informed

_NOTIFICATIONS: dict[str, Word] = {
    "UIApplicationDidEnterBackgroundNotification": "paused",
    "UIApplicationWillEnterForegroundNotification": "resumed",
}


def watch_ios(chat: Informed) -> Watch:
    """Watch an iOS app, and report to a client that it is `paused` while it is in the background.

    A call, an alert, the control centre and the app switcher change nothing (`WillResignActive`). iOS gives an app some
    five seconds after it has entered the background: enough for the socket's goodbye. With Kivy use `watch_kivy`, with
    Toga `watch_toga`.

    This has not run on a device yet. It observes `UIApplicationDidEnterBackgroundNotification` and
    `UIApplicationWillEnterForegroundNotification` by rubicon-objc.

    Args:
        chat: a `ChatClient`, initialised; call this on its event loop. Or a `tailwire.sync.Client`, from any thread.

    Returns:
        The watch. `knows` has `paused`.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        RuntimeError: this is not iOS, or rubicon-objc is missing.
        TypeError: `chat` is no client.
    """
    try:
        from rubicon.objc import Block, ObjCClass
        from rubicon.objc.runtime import objc_id
    except (ImportError, OSError, ValueError) as e:  # what rubicon raises where there is no Objective-C differs
        raise RuntimeError("rubicon-objc cannot be imported: on iOS, pip install rubicon-objc") from e
    watch = Watch(chat, "ios", ["paused"])
    center = ObjCClass("NSNotificationCenter").defaultCenter

    def observe(name: str, word: Word) -> Callable[[], None]:
        def came(_notification: object) -> None:
            watch.say(word)

        block = Block(came, None, objc_id)  # the notification centre copies it, and rubicon holds what is copied
        token = center.addObserverForName(name, object=None, queue=None, usingBlock=block)
        return lambda: center.removeObserver(token)

    try:
        for name, word in _NOTIFICATIONS.items():
            watch.at_close(observe(name, word))
    except BaseException:
        watch.close()
        raise
    return watch
