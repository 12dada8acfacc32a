"""The public face of the package, read from its source: what an app can import, and the types in its signatures."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import griffe

SOURCE = Path(__file__).resolve().parent.parent / "src"
FACES = ("tailwire", "tailwire.sync", "tailwire.bot", "tailwire.admin", "tailwire.testing")

PROGRAMS = ("cli", "lab", "server", "tui")
"""Packages that no app imports: two thirds of the modules."""

# Classes whose objects an app gets from a call: their constructors are not public.
HANDED_OUT = {
    "BotTest", "Connection", "Context", "Continuity", "Groups", "Iterating", "Keys", "ListRequest", "Listing",
    "LiveConversations", "LiveList", "LiveMessages", "LoopWatch", "Messages", "MessagesRequest", "OutboxEntry",
    "ReactionsRequest", "Request", "Roles", "Tokens", "UploadFileRequest", "Users", "Watch", "Webhooks",
}  # fmt: skip


@functools.cache
def package() -> griffe.Module:
    """Return what apps import of the package, parsed without importing it."""
    loader = griffe.GriffeLoader(search_paths=[str(SOURCE)])
    submodules = loader.finder.submodules
    loader.finder.submodules = lambda module: [one for one in submodules(module) if one[0][0] not in PROGRAMS]
    loaded = loader.load("tailwire")
    assert isinstance(loaded, griffe.Module)
    return loaded


def home_of(path: str) -> str:
    """Return where the object at a path is defined, following imports and aliases."""
    try:
        found = package()[path.removeprefix("tailwire.")]
        target = found.final_target if isinstance(found, griffe.Alias) else found
    except (KeyError, griffe.AliasResolutionError):
        return path
    if isinstance(target, griffe.Attribute) and isinstance(target.value, griffe.ExprName) and not target.annotation:
        named = target.value.canonical_path
        if named.startswith("tailwire.") and named != path and named.rpartition(".")[2][:1].isupper():
            return home_of(named)
    return target.path


@functools.cache
def public_names() -> dict[str, str]:
    """Return where each public name is defined; two names may refer to one object."""
    found: dict[str, str] = {}
    for face in FACES:
        module = package() if face == "tailwire" else package()[face.removeprefix("tailwire.")]
        for name, member in module.members.items():
            if name.startswith("_") or isinstance(member, griffe.Module):
                continue
            if isinstance(member, griffe.Alias) and not member.target_path.startswith("tailwire."):
                continue
            home = home_of(f"{face}.{name}")
            if not home.startswith(f"{face}.{name}"):  # what a face defines by itself is not exported by it
                found[f"{face}.{name}"] = home
    return found


@functools.cache
def exported() -> dict[str, str]:
    """Return the public name of each exported object, by the path where it is defined."""
    found: dict[str, str] = {}
    for public, home in public_names().items():
        if home not in found or public.rpartition(".")[2] == home.rpartition(".")[2]:
            found[home] = public
    return found


def find(home: str) -> griffe.Object:
    """Return the object that is defined at a path."""
    found = package()[home.removeprefix("tailwire.")]
    return found.final_target if isinstance(found, griffe.Alias) else found


def public_members(owner: griffe.Class) -> Iterator[griffe.Object]:
    """Yield the members of a class, inherited ones included, that an app may use."""
    for name, member in owner.all_members.items():
        constructed = name == "__init__" and owner.name not in HANDED_OUT
        if not name.startswith("_") or constructed or name in ("__anext__", "__aenter__", "__enter__", "__next__"):
            target = member.final_target if isinstance(member, griffe.Alias) else member
            if target.path.startswith("tailwire."):
                yield target


def written_out(function: griffe.Object) -> bool:
    """Return True for a constructor that is written in the source; that of a dataclass follows from its fields."""
    return function.lineno is not None and "dataclass" not in (function.parent.labels if function.parent else ())


def annotations(thing: griffe.Object) -> Iterator[tuple[str, griffe.Expr | str]]:
    """Yield what a public object says about types: each place, and the annotation there."""
    if isinstance(thing, griffe.Function):
        for parameter in thing.parameters:
            if parameter.annotation is not None:
                yield f"{thing.path}({parameter.name})", parameter.annotation
        if thing.returns is not None:
            yield f"{thing.path} ->", thing.returns
    elif isinstance(thing, griffe.Attribute):
        if thing.annotation is not None:
            yield thing.path, thing.annotation
        elif thing.value is not None and "property" not in thing.labels and isinstance(thing.parent, griffe.Module):
            yield thing.path, thing.value  # an alias of a type
    elif isinstance(thing, griffe.Class):
        for member in public_members(thing):
            yield from annotations(member)


def names(annotation: griffe.Expr | str) -> Iterator[str]:
    """Yield the paths of the names in an annotation."""
    if isinstance(annotation, griffe.Expr):
        for part in annotation.iterate(flat=True):
            if isinstance(part, griffe.ExprName):
                yield part.canonical_path


def unexported() -> dict[str, list[str]]:
    """Return our types that public signatures name and no public module exports, and where each is named."""
    found: dict[str, list[str]] = {}
    for home in exported():
        for place, annotation in annotations(find(home)):
            for path in names(annotation):
                if (
                    path.startswith("tailwire.")
                    and home_of(path) not in exported()
                    and not needs_no_export(home_of(path))
                ):
                    found.setdefault(home_of(path), []).append(place)
    return found


def needs_no_export(path: str) -> bool:
    """Return True for types that a caller does not have to name: type variables, and aliases of literals."""
    try:
        value = getattr(find(path), "value", None)
    except (KeyError, AttributeError):
        return True
    literal = isinstance(value, griffe.ExprSubscript) and str(value.left) == "Literal"
    return literal or (isinstance(value, griffe.ExprCall) and str(value.function) in ("TypeVar", "ParamSpec"))
