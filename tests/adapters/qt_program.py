"""A Qt app (QtWidgets) for the tests: a main window, and others on request."""

from __future__ import annotations

import sys

from PySide6.QtCore import QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QMessageBox, QVBoxLayout, QWidget

from adapters.program import Commands, Program
from tailwire import watch_qt
from tailwire.sync import post_qt


class QtApp(Commands):
    def __init__(self) -> None:
        self.program = Program(**self.named("run"))
        self.app = QApplication(sys.argv[:1])
        self.app.setQuitOnLastWindowClosed(False)
        self.window = QWidget()
        self.window.setWindowTitle("qt main")
        self.window.setGeometry(60, 60, 300, 200)
        layout = QVBoxLayout(self.window)
        layout.addWidget(QLabel("Qt"))
        self.child = QLabel("a child")
        layout.addWidget(self.child)
        layout.addWidget(QLineEdit())
        self.others: list[QWidget] = []
        self.box: QMessageBox | None = None
        self.client = self.program.enter_blocking(post_qt())
        self.watch = self.program.watch(self.client, watch_qt)
        self.app.focusWindowChanged.connect(lambda _: self.program.event("focus"))
        self.app.applicationStateChanged.connect(lambda s: self.program.event(s.name))

    def _second(self) -> QWidget:
        second = QWidget()
        second.setWindowTitle("qt second")
        second.setGeometry(400, 300, 200, 100)
        second.show()
        self.others.append(second)
        return second

    def run(self) -> None:
        def readable() -> None:
            self.program.feed()
            if self.program.ended:
                reading.setEnabled(False)
                self.app.quit()

        reading = QSocketNotifier(0, QSocketNotifier.Type.Read)
        reading.activated.connect(readable)
        if not self.program.options.get("withdrawn"):
            self.window.show()
        QTimer.singleShot(0, lambda: self.program.report(ready=True))
        self.app.exec()
        while not self.program.ended:  # the app has quit; the program runs until the test ends it
            self.program.feed()
        self.watch.close()
        self.client.close()

    # Commands.

    def minimise(self) -> None:
        self.window.showMinimized()

    def restore(self) -> None:
        self.window.showNormal()

    def flap(self) -> None:
        for _ in range(20):
            self.window.showMinimized()
            self.app.processEvents()
            self.window.showNormal()
            self.app.processEvents()

    def withdraw(self) -> None:
        self.window.hide()

    def show(self) -> None:
        self.window.show()

    def dialog(self) -> None:
        self.box = QMessageBox(QMessageBox.Icon.Information, "qt dialog", "Qt says hello", parent=self.window)
        self.box.open()

    def close_dialog(self) -> None:
        assert self.box is not None
        self.box.accept()

    def lose_focus(self) -> None:
        self._second().activateWindow()

    def take_focus(self) -> None:
        self.others.pop().close()
        self.window.activateWindow()

    def unmap_child(self) -> None:
        self.child.hide()
        self.program.event("child hidden")

    def map_child(self) -> None:
        self.child.show()

    def minimise_one_of_two(self) -> None:
        self._second()
        self.window.showMinimized()
        self.program.event("minimised")

    def restore_one(self) -> None:
        self.window.showNormal()
        self.others.pop().close()

    def minimise_both(self) -> None:
        self._second().showMinimized()
        self.window.showMinimized()

    def restore_both(self) -> None:
        self.window.showNormal()
        self.others.pop().close()

    def new_window_without_focus(self) -> None:
        from PySide6.QtCore import Qt

        toast = QWidget(None, Qt.WindowType.Tool | Qt.WindowType.WindowDoesNotAcceptFocus)
        toast.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        toast.show()
        self.others.append(toast)

    def close_new_window(self) -> None:
        self.others.pop().close()

    def reparent(self) -> None:
        self.window.setWindowFlag(self.window.windowFlags().WindowStaysOnTopHint, True)  # hides the window
        self.window.show()

    def destroy(self) -> None:
        QTimer.singleShot(0, self.app.quit)


if __name__ == "__main__":
    QtApp().run()
