"""Settings of several servers: which must be the same."""

from __future__ import annotations

import dataclasses

from tailwire.server.app.agreement import PER_SERVER_SETTINGS, differences, digests
from tailwire.server.config import Settings


def test_each_setting_either_may_differ_or_is_compared():
    names = {field.name for field in dataclasses.fields(Settings)}
    assert names >= PER_SERVER_SETTINGS
    assert set(digests(Settings())) == names - PER_SERVER_SETTINGS


def test_settings_of_the_app_are_compared_and_those_of_a_machine_are_not():
    mine = digests(Settings(port=1, data="a", tls_cert="a.pem", max_friends=1, broker="nats://a:x@n"))
    other = digests(Settings(port=2, data="b", tls_cert="b.pem", max_friends=2, broker="nats://a:x@m"))
    assert differences(mine, other) == ["broker", "max_friends"]
    assert differences(mine, mine) == []


def test_passwords_are_not_compared():
    assert digests(Settings(broker="nats://a:x@n")) == digests(Settings(broker="nats://a:y@n"))


def test_setting_that_one_version_lacks_does_not_differ():
    mine, other = digests(Settings()), digests(Settings())
    del other["max_friends"]
    assert differences(mine, other | {"a_new_setting": "1"}) == []
