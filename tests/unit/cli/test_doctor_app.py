"""The output of `tailwire doctor --app`."""

from __future__ import annotations

import sys

import pytest

from tailwire.adapters import netlink
from tailwire.cli import doctor_app
from tailwire.cli.main import main
from tailwire.extras import how_to_install


@pytest.fixture(autouse=True)
def _no_bus(monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")


def lines(capsys) -> dict[str, str]:
    """Return what the command prints about each toolkit and each source of the app state, by its name."""
    assert main(["doctor", "--app"]) == 0
    output = capsys.readouterr().out.splitlines()
    return {line[10:].partition(": ")[0]: line[:10].strip() + " " + line.partition(": ")[2] for line in output[1:]}


def test_installed_toolkits_and_how_to_install_missing_ones_are_listed(monkeypatch, capsys):
    there = {"textual", "_tkinter", "PyQt6", "dbus_fast"}
    monkeypatch.setattr(doctor_app, "find_spec", lambda name: object() if name in there else None)
    monkeypatch.setattr(doctor_app, "in_terminal", lambda: True)
    output = lines(capsys)
    assert output["Textual"] == "known paused"
    assert output["Tk"] == output["Qt"] == "known hidden"
    assert output["Kivy"] == "- not installed; pip install kivy"
    assert output["terminal"] == "known paused"
    assert "Android" not in output
    there.clear()
    monkeypatch.setattr(doctor_app, "in_terminal", lambda: False)
    output = lines(capsys)
    assert "python3-tk" in output["Tk"]
    assert output["terminal"] == "- this is not a terminal"


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux")
def test_sleep_and_network_of_this_machine_are_tested(capsys):
    output = lines(capsys)
    assert output["network"] == "known yes"
    assert output["sleep"].startswith(("- the system bus cannot be reached", "- not reported", "known"))


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux")
def test_reason_why_sleep_and_network_are_not_reported_is_shown(monkeypatch, capsys):
    def changes():
        raise PermissionError("netlink is not allowed here")

    monkeypatch.setattr(netlink, "open_change_socket", changes)
    monkeypatch.setattr(doctor_app, "is_installed", lambda: False)
    output = lines(capsys)
    assert output["network"] == "- netlink is not allowed here"
    assert how_to_install("desktop") in output["sleep"]


def test_network_and_sleep_are_named_as_not_reported_on_windows(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    output = lines(capsys)
    assert output["network"] == output["sleep"] == "- not reported by this system"


def test_url_or_app_is_required(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["doctor"])
    assert ended.value.code == 2
    assert "the URL of a server, or --app" in capsys.readouterr().err


def test_app_and_url_can_be_combined(capsys):
    assert main(["doctor", "ftp://nowhere", "--app"]) == 1
    output = capsys.readouterr().out
    assert "Textual" in output
    assert "ftp://nowhere is not the URL" in output
