"""A Tk app for the tests: a main window, and others on request."""

from __future__ import annotations

import tkinter
import tkinter.messagebox
from typing import Any

from adapters.program import Commands, Program
from tailwire import watch_tk
from tailwire.sync import post_tk


class TkApp(Commands):
    def __init__(self) -> None:
        self.program = Program(**self.named("run"))
        self.root = tkinter.Tk()
        self.root.title("tk main")
        self.root.geometry("300x200+50+50")
        tkinter.Label(self.root, text="Tk").pack()
        self.child = tkinter.Frame(self.root, width=100, height=50, bg="green")
        self.child.pack()
        self.entry = tkinter.Entry(self.root)
        self.entry.pack()
        self.others: list[tkinter.Toplevel] = []
        self.cover_window: Any = None
        self.root.bind_all("<Map>", lambda _: None)  # a binding of the app
        if self.program.options.get("withdrawn"):
            self.root.withdraw()
        self.client = self.program.enter_blocking(post_tk(self.root))
        self.watch = self.program.watch(self.client, watch_tk, self.root)
        for name in ("FocusOut", "FocusIn", "Visibility", "Map", "Unmap"):
            self.root.bind(f"<{name}>", lambda e, name=name: self._event(e, name))

    def _event(self, event: Any, name: str) -> None:
        self.program.event(name if event.widget is self.root else f"{name} of a child")

    def _second(self) -> tkinter.Toplevel:
        self.others.append(tkinter.Toplevel(self.root))
        self.others[-1].title("tk second")
        self.others[-1].geometry("200x100+400+300")
        self.root.update()
        return self.others[-1]

    def run(self) -> None:
        def readable(*_: Any) -> None:
            self.program.feed()
            if self.program.ended:
                self.root.quit()

        self.root.tk.createfilehandler(0, tkinter.READABLE, readable)
        self.root.after_idle(lambda: self.program.report(ready=True))
        self.root.mainloop()
        while not self.program.ended:  # the window is destroyed; the program runs until the test ends it
            self.program.feed()
        self.watch.close()
        self.client.close()

    # Commands.

    def minimise(self) -> None:
        self.root.iconify()

    def restore(self) -> None:
        self.root.deiconify()

    def flap(self) -> None:
        for _ in range(20):
            self.root.iconify()
            self.root.update()
            self.root.deiconify()
            self.root.update()

    def withdraw(self) -> None:
        self.root.withdraw()

    def show(self) -> None:
        self.root.deiconify()

    def dialog(self) -> None:
        self.root.after(0, lambda: tkinter.messagebox.showinfo("tk dialog", "Tk says hello", parent=self.root))

    def close_dialog(self) -> None:
        self.root.tk.eval(".__tk__messagebox.ok invoke")

    def lose_focus(self) -> None:
        self.entry.focus_force()
        self.root.update()
        self._second().focus_force()

    def take_focus(self) -> None:
        self.others.pop().destroy()
        self.root.focus_force()

    def cover(self) -> None:
        self.cover_window = tkinter.Tk(className="Cover")  # another interpreter, so a different app for Tk
        self.cover_window.overrideredirect(True)
        self.cover_window.geometry("1024x768+0+0")
        self.cover_window.lift()

    def uncover(self) -> None:
        self.cover_window.destroy()

    def unmap_child(self) -> None:
        self.child.pack_forget()

    def map_child(self) -> None:
        self.child.pack()

    def minimise_one_of_two(self) -> None:
        self._second()
        self.root.iconify()

    def restore_one(self) -> None:
        self.root.deiconify()
        self.others.pop().destroy()

    def minimise_both(self) -> None:
        self._second().iconify()
        self.root.iconify()

    def restore_both(self) -> None:
        self.root.deiconify()
        self.others.pop().destroy()

    def destroy(self) -> None:
        self.root.after(0, self.root.destroy)

    def dialog_alone(self) -> None:
        self.root.after(0, lambda: tkinter.messagebox.showinfo("tk dialog", "Tk says hello"))

    def bindings(self) -> list[str]:
        return [str(self.root.tk.call("bind", "all", f"<{name}>")).strip() for name in ("Map", "Unmap", "Destroy")]


if __name__ == "__main__":
    TkApp().run()
