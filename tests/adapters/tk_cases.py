"""Cases of `watch_tk` that need no server; run as one program under a display."""

from __future__ import annotations

import gc
import threading
import tkinter

import pytest

from recording_clients import RecordingClient
from tailwire.adapters.tk import watch_tk


def two_watches(root: tkinter.Tk) -> None:
    one, other = RecordingClient(), RecordingClient()
    first, second = watch_tk(one, root), watch_tk(other, tkinter.Frame(root))
    root.update()
    root.withdraw()
    root.update()
    first.close()
    first.close()
    assert one.reported == ["background", "foreground"]
    assert other.reported == ["background"]
    late = tkinter.Toplevel(root)
    root.update()
    assert other.reported == ["background", "foreground"]
    late.destroy()
    root.update()
    assert other.reported == ["background", "foreground", "background"]
    root.deiconify()
    root.update()
    second.close()
    root.withdraw()
    root.update()
    root.deiconify()
    root.update()
    assert one.reported == ["background", "foreground"]
    assert other.reported == ["background", "foreground"] * 2


def window_placed_while_withdrawn(root: tkinter.Tk) -> None:
    client = RecordingClient()
    with watch_tk(client, root):
        root.update()
        root.withdraw()
        root.update_idletasks()
        root.geometry("+200+200")
        root.deiconify()
        root.update()
    assert client.reported == []


def many_short_lived_widgets(root: tkinter.Tk) -> None:
    client, looks = RecordingClient(), []
    watch = watch_tk(client, root)
    root.update()
    seen, watch.report = watch.report, lambda word: (looks.append(word), seen(word))[1]  # type: ignore[method-assign]
    frames = [tkinter.Frame(root, width=1, height=1) for _ in range(500)]
    for frame in frames:
        frame.pack()
    root.update()
    for frame in frames:
        frame.destroy()
    root.update()
    assert client.reported == []
    assert 1 <= len(looks) < 20, f"looked {len(looks)} times"
    watch.close()


def in_another_thread(root: tkinter.Tk) -> None:
    failed: list[Exception] = []

    def watch() -> None:
        try:
            watch_tk(RecordingClient(), root)
        except Exception as e:
            failed.append(e)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert isinstance(failed[0], RuntimeError), failed


def destroyed_root(root: tkinter.Tk) -> None:
    one, other = RecordingClient(), RecordingClient()
    first = watch_tk(one, root)
    watch_tk(other, root)  # not kept
    gc.collect()
    root.update()
    root.withdraw()
    root.destroy()  # before the windows are checked
    assert one.reported == other.reported == ["background"]
    assert first.seen == "detached"
    first.close()
    assert one.reported == ["background"]
    with pytest.raises(tkinter.TclError):
        watch_tk(one, root)


def main() -> None:
    errors: list[object] = []
    root = tkinter.Tk()
    root.report_callback_exception = lambda *error: errors.append(error)  # type: ignore[method-assign]
    root.update()
    with pytest.raises(ValueError, match="hidden"):
        watch_tk(RecordingClient(), root, hidden="never")  # type: ignore[arg-type]
    for case in (
        two_watches,
        window_placed_while_withdrawn,
        many_short_lived_widgets,
        in_another_thread,
        destroyed_root,
    ):
        case(root)
    assert errors == []
    print("all cases passed", flush=True)


if __name__ == "__main__":
    main()
