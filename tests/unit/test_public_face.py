"""The public face: what can be imported, and that it is enough to annotate a program with."""

from __future__ import annotations

import ast
import dataclasses
import enum
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import public_face
import tailwire
from tailwire.admin import SignatureError

ROOT = Path(tailwire.__file__)

# Types in public signatures that no public module exports, each with its reason. A name that is exported is taken out.
NOT_EXPORTED = {
    "tailwire.adapters.loops.LoopClient": "a protocol that ChatClient and tailwire.sync.Client satisfy",
    "tailwire.adapters.watching.WatchedClient": "a protocol that ChatClient and tailwire.sync.Client satisfy",
    "tailwire.sdk.listeners.interfaces.Hook": "what a callback may return: None, or an awaitable",
    "tailwire.sync.admin.Groups": "exists only in the stub; an app writes `admin.groups`",
    "tailwire.sync.admin.Keys": "exists only in the stub; an app writes `admin.keys`",
    "tailwire.sync.admin.Messages": "exists only in the stub; an app writes `admin.messages`",
    "tailwire.sync.admin.Roles": "exists only in the stub; an app writes `admin.roles`",
    "tailwire.sync.admin.Tokens": "exists only in the stub; an app writes `admin.tokens`",
    "tailwire.sync.admin.Users": "exists only in the stub; an app writes `admin.users`",
    "tailwire.sync.admin.Webhooks": "exists only in the stub; an app writes `admin.webhooks`",
}


def for_type_checkers() -> dict[str, tuple[str, str]]:
    """Return the names that type checkers find in the root, each with its module and the name there."""
    tree = ast.parse(ROOT.read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    imported, found = {}, {}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imported[alias.asname or alias.name] = (str(node.module).removeprefix("tailwire."), alias.name)
                if alias.asname == alias.name:
                    found[alias.name] = imported[alias.name]
        elif isinstance(node, ast.Assign):
            assert isinstance(node.targets[0], ast.Name)
            assert isinstance(node.value, ast.Name)
            found[node.targets[0].id] = imported[node.value.id]
    return found


def test_type_checkers_find_the_names_that_exist_at_run_time():
    assert for_type_checkers() == tailwire._LAZY


@pytest.mark.slow
def test_types_in_public_signatures_are_exported():
    missing = public_face.unexported()
    assert {path: places[:3] for path, places in missing.items() if path not in NOT_EXPORTED} == {}
    assert sorted(set(NOT_EXPORTED) - set(missing)) == [], "take these out of the list: they are exported, or gone"


@pytest.mark.slow
def test_type_hints_of_public_classes_resolve():
    code = "import tailwire, typing; [typing.get_type_hints(v) for n in tailwire.__all__ if isinstance(v := getattr(tailwire, n), type)]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_exceptions_show_and_pickle_under_their_public_names():
    failure = tailwire.CometChatException(
        "ERR_UID_NOT_FOUND", "There is no such user.", "Check the uid.", retry_after=2
    )
    assert str(tailwire.CometChatException) == "<class 'tailwire.CometChatException'>"
    assert str(SignatureError) == "<class 'tailwire.admin.SignatureError'>"
    copy = pickle.loads(pickle.dumps(failure))
    assert (type(copy), copy.code, copy.retry_after) == (tailwire.CometChatException, failure.code, 2)
    assert typing.get_type_hints(tailwire.CometChatException) == {}


def test_every_public_dataclass_and_enum_can_be_pickled():
    entities = {
        "message": tailwire.TextMessage(receiver="dora", text="Hello"),
        "conversation": tailwire.Conversation("alice_user_dora", "user", tailwire.User("dora")),
    }
    checked = 0
    for kind in (value for name in tailwire.__all__ if isinstance(value := getattr(tailwire, name), type)):
        if issubclass(kind, enum.Enum):
            assert all(pickle.loads(pickle.dumps(member)) is member for member in kind), kind
        elif dataclasses.is_dataclass(kind):
            required = [
                field.name
                for field in dataclasses.fields(kind)
                if field.init and field.default is field.default_factory is dataclasses.MISSING
            ]
            record = kind(**{name: entities.get(name, name) for name in required})
            assert pickle.loads(pickle.dumps(record)) == record, kind
            checked += 1
    assert checked > 40
