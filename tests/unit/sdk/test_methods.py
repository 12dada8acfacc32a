"""The generated methods of `ChatClient`."""

from __future__ import annotations

import inspect

import pytest

import make_client
from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    CometChat,
    CometChatException,
    ConnectionStatus,
    MemorySessionStore,
    MessageListener,
)
from tailwire.sdk.cometchat.static_methods import StaticMethods
from tailwire.sdk.methods import ClientMethods

GROUPS = [(kind, node) for _, kind in make_client.groups() for node in make_client.public_methods(kind)]


@pytest.mark.slow
def test_generated_modules_are_current():
    assert make_client.TARGET.read_text(encoding="utf-8") == make_client.text(), "run `make reference`"
    assert make_client.STATIC.read_text(encoding="utf-8") == make_client.static_text(), "run `make reference`"


def test_static_class_has_the_documented_methods_with_their_parameters():
    documented = {n for n in dir(ChatClient) if not n.startswith("_")} - make_client.NOT_DOCUMENTED
    assert documented == {n for n in vars(StaticMethods) if not n.startswith("_")}
    for name in documented:
        flat, static = getattr(ChatClient, name), getattr(CometChat, name)
        is_async = inspect.iscoroutinefunction(flat) and name not in make_client.WITHOUT_CALLBACKS
        callbacks = ["on_success", "on_error"] if is_async else []
        assert list(inspect.signature(static).parameters) == [*list(inspect.signature(flat).parameters)[1:], *callbacks]
        assert inspect.iscoroutinefunction(static) is inspect.iscoroutinefunction(flat)


@pytest.mark.parametrize(("kind", "node"), GROUPS, ids=lambda value: getattr(value, "name", ""))
def test_client_has_each_method_of_a_group_with_its_parameters(kind, node):
    group, flat = getattr(kind, node.name), getattr(ChatClient, node.name)
    assert flat.__doc__ == group.__doc__
    assert inspect.signature(flat).parameters == inspect.signature(group).parameters
    assert inspect.iscoroutinefunction(flat) is inspect.iscoroutinefunction(group)


def test_two_groups_have_no_method_of_the_same_name():
    names = [(kind, node.name) for kind, node in GROUPS if not node.decorator_list]
    assert len({name for _, name in names}) == len(names)
    assert {name for _, name in names} == {n for n in vars(ClientMethods) if not n.startswith("_")}


ASYNC_METHODS = [
    name
    for name in dir(ChatClient)
    if not name.startswith("_") and inspect.iscoroutinefunction(getattr(ChatClient, name))
]


@pytest.mark.parametrize("name", sorted({*ASYNC_METHODS} - {"init", "aclose"}))
async def test_every_async_method_but_init_and_aclose_is_refused_before_init(name):
    chat = ChatClient("app", AppSettingsBuilder().set_region("us").build(), session_store=MemorySessionStore())
    parameters = inspect.signature(getattr(chat, name)).parameters.values()
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    with pytest.raises(CometChatException) as caught:
        await getattr(chat, name)(**{p.name: "x" for p in required})
    assert caught.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"
    await chat.aclose()


async def test_queue_connection_and_event_loop_are_not_available_before_init():
    chat = ChatClient("app", AppSettingsBuilder().set_region("us").build(), session_store=MemorySessionStore())
    errors: list[CometChatException] = []
    for call in (chat.get_last_delivered_message_id, chat.queued_messages, lambda: chat.connection, chat.event_loop):
        with pytest.raises(CometChatException) as caught:
            call()
        errors.append(caught.value)
    assert {e.code for e in errors} == {"COMETCHAT_INITIALIZATION_NOT_DONE"}
    assert len(errors) == 4
    await chat.aclose()


async def test_listeners_status_and_defaults_are_available_before_init():
    chat = ChatClient("app", AppSettingsBuilder().set_region("us").build(), session_store=MemorySessionStore())
    chat.add_message_listener("mine", Hears())
    assert chat.get_logged_in_user() is None
    assert chat.get_connection_status() is ConnectionStatus.DISCONNECTED
    assert chat.is_pin_message_enabled()
    assert chat.get_saved_messages_limit() is None
    await chat.aclose()


class Hears(MessageListener):
    def on_text_message_received(self, message):
        raise AssertionError
