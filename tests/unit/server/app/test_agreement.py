"""Settings of several servers: which must be the same."""

from __future__ import annotations

import dataclasses

from tailwire.server.app.agreement import PER_SERVER_SETTINGS, differences, digests
from tailwire.server.config import Settings


def test_every_setting_is_compared_unless_it_is_listed_as_one_of_a_single_server():
    names = {field.name for field in dataclasses.fields(Settings)}
    assert names >= PER_SERVER_SETTINGS
    assert set(digests(Settings())) == names - PER_SERVER_SETTINGS


def test_differing_settings_of_the_app_are_named_and_those_of_a_single_server_are_not():
    mine = digests(Settings(port=1, data="a", tls_cert="a.pem", max_friends=1, broker="nats://a:x@n"))
    other = digests(Settings(port=2, data="b", tls_cert="b.pem", max_friends=2, broker="nats://a:x@m"))
    assert differences(mine, other) == ["broker", "max_friends"]
    assert differences(mine, mine) == []


def test_different_passwords_in_a_url_are_not_a_difference():
    assert digests(Settings(broker="nats://a:x@n")) == digests(Settings(broker="nats://a:y@n"))


def test_setting_that_only_one_of_two_versions_has_is_not_a_difference():
    mine, other = digests(Settings()), digests(Settings())
    del other["max_friends"]
    assert differences(mine, other | {"a_new_setting": "1"}) == []
