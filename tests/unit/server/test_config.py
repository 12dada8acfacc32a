"""Loading the settings of the server."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tailwire.server.config import BadSetting, Settings, load, unknown_variables

NUMBERS = [field.name for field in dataclasses.fields(Settings) if type(field.default) in (int, float)]


def test_arguments_win_over_environment_over_file_over_defaults(tmp_path):
    file = tmp_path / "tailwire.toml"
    file.write_text('port = 1\nhost = "file"\nregion = "file"\ntls_self_signed = true\n')
    environment = {"TAILWIRE_PORT": "2", "TAILWIRE_HOST": "environment", "TAILWIRE_UNKNOWN": "x", "OTHER": "y"}
    settings = load({"port": 3, "host": None}, environment, str(file))
    assert (settings.port, settings.host, settings.region) == (3, "environment", "file")
    assert settings.tls_self_signed is True
    assert settings.max_body == Settings().max_body


@pytest.mark.parametrize(
    ("arguments", "environment", "text", "named"),
    [
        ({}, {"TAILWIRE_PORT": "many"}, "", "TAILWIRE_PORT"),
        ({"port": 70000}, {}, "", "port"),
        ({}, {"TAILWIRE_TLS_SELF_SIGNED": "perhaps"}, "", "TAILWIRE_TLS_SELF_SIGNED"),
        ({"tls_cert": "c"}, {}, "", "tls_key"),
        ({"database": "mysql://x"}, {}, "", "database"),
        ({"broker": "nats://x"}, {}, "", "broker: only servers on a PostgreSQL database share it"),
        ({"broker": "redis://x", "database": "postgresql://x/y"}, {}, "", "broker: use nats://HOST or tls://HOST"),
        ({"log_level": "loud"}, {}, "", "log_level"),
        ({"public_url": "http://["}, {}, "", "public_url"),
        ({"public_url": "https://chat:99999"}, {}, "", "public_url"),
        ({"public_url": "chat.example.com"}, {}, "", "public_url"),
        ({"token_lifetime": -1.0}, {}, "", "token_lifetime"),
        ({"sweep_interval": 0.0}, {}, "", "sweep_interval"),
        ({}, {}, "nonsense = 1", "nonsense"),
        ({}, {}, "port = true", "port"),
        ({}, {}, "port = [", "tailwire.toml"),
    ],
)
def test_errors_name_the_setting_or_its_source(tmp_path, arguments, environment, text, named):
    file = tmp_path / "tailwire.toml"
    file.write_text(text)
    with pytest.raises(BadSetting, match=named):
        load(arguments, environment, str(file))


def test_error_about_a_missing_settings_file_names_it(tmp_path):
    with pytest.raises(BadSetting, match="nowhere"):
        load({}, {}, str(tmp_path / "nowhere"))


def test_every_setting_is_documented():
    documented = Settings.__doc__ or ""
    for field in dataclasses.fields(Settings):
        assert f"        {field.name}: " in documented, field.name


@pytest.mark.parametrize("line", ["port = inf", "port = 8480.5", "sweep_interval = nan", "auth_deadline = -inf"])
def test_numbers_that_are_not_finite_or_not_whole_where_they_must_be_are_refused(tmp_path, line: str):
    file = tmp_path / "config.toml"
    file.write_text(line)
    with pytest.raises(BadSetting, match=line.split()[0]):
        load({}, {}, str(file))


@pytest.mark.parametrize("name", ["returns_per_second", "request_deadline"])
def test_zero_is_refused_for_a_number_that_must_be_greater(name: str):
    with pytest.raises(BadSetting, match=name):
        load({name: 0}, {})


@pytest.mark.parametrize("name", NUMBERS)
def test_each_setting_that_is_a_number_is_refused_if_it_is_negative(name: str):
    with pytest.raises(BadSetting, match=name):
        load({name: -1}, {})


def test_unknown_variable_is_named_with_a_suggestion():
    environment = {"TAILWIRE_PROT": "9", "TAILWIRE_PORT": "9", "TAILWIRE_QQQ": "", "OTHER": ""}
    assert unknown_variables(environment) == {"TAILWIRE_PROT": "TAILWIRE_PORT", "TAILWIRE_QQQ": ""}


def test_unknown_setting_in_the_file_is_named_with_a_suggestion(tmp_path):
    (tmp_path / "t.toml").write_text("max_conections = 5")
    with pytest.raises(BadSetting, match="did you mean max_connections"):
        load({}, {}, str(tmp_path / "t.toml"))


def test_docs_describe_each_setting_as_its_docstring_does():
    page = (Path(__file__).parents[3] / "docs" / "server.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*) \|$", page, re.MULTILINE))
    documented = " ".join((Settings.__doc__ or "").split())
    for field in dataclasses.fields(Settings):
        assert f" {field.name}: {rows[field.name]}." in documented, field.name
