"""The `repr` of entities, which shows only the fields that are set."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar


class SetFieldsRepr:
    """A base class for dataclasses with `repr=False`. Its `repr` shows only fields that differ from their defaults."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __repr__(self) -> str:
        values = [(f.name, getattr(self, f.name)) for f in fields(self) if f.repr]
        changed = (f"{name}={value!r}" for name, value in values if value != _default(type(self), name))
        return f"{type(self).__name__}({', '.join(changed)})"


def _default(kind: type[SetFieldsRepr], name: str) -> Any:
    # MISSING for a required field: no value equals it.
    field = kind.__dataclass_fields__[name]
    return field.default if field.default_factory is MISSING else field.default_factory()
