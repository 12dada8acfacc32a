"""The settings and their builder."""

from __future__ import annotations

import pytest

from tailwire import AppSettingsBuilder


@pytest.mark.spec("S24")
@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "https://app.apiclient-eu.cometchat.io/v3"),
        ("chat.example.org", "https://chat.example.org/v3"),
        ("https://chat.example.org/", "https://chat.example.org/v3"),
        ("http://127.0.0.1:8480", "http://127.0.0.1:8480/v3"),
        ("localhost:8443/v3.0", "https://localhost:8443/v3.0"),
        ("http://[::1]:8480/", "http://[::1]:8480/v3"),
    ],
)
def test_base_url_is_made_of_region_or_host(host, url):
    assert AppSettingsBuilder().set_region("EU ").override_client_host(host).build().base_url("app") == url


@pytest.mark.spec("S24")
@pytest.mark.parametrize("host", ["http://[oops", "host:99999", "host:port", "ftp://host", "https://"])
def test_error_about_an_invalid_host_shows_the_valid_form(host):
    with pytest.raises(ValueError, match="is not a client host") as caught:
        AppSettingsBuilder().override_client_host(host).build().base_url("app")
    assert repr(host) in str(caught.value)
    assert "use [http[s]://]name[:port]" in str(caught.value)


@pytest.mark.spec("S24")
def test_presence_subscription_is_encoded_for_the_wire():
    builder = AppSettingsBuilder
    assert builder().build().presence_on_the_wire() is None
    assert builder().subscribe_presence_for_all_users().build().presence_on_the_wire() == "ALL_USERS"
    assert builder().subscribe_presence_for_friends().build().presence_on_the_wire() == "FRIENDS"
    assert builder().subscribe_presence_for_roles(["a", "b"]).build().presence_on_the_wire() == ["a", "b"]


def test_builder_sets_admin_host_connect_timeout_and_catch_up():
    built = AppSettingsBuilder().override_admin_host("admin").set_web_socket_timeout(5).build()
    assert (built.admin_host, built.connect_timeout, built.catch_up) == ("admin", 5.0, True)
    assert AppSettingsBuilder().catch_up_after_reconnect(False).build().catch_up is False
