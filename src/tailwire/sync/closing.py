"""Mixins of the blocking clients: support of the `with` statement, and protection from being copied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closable(ABC):
    """Calls `close()` at the end of a `with` block."""

    @abstractmethod
    def close(self) -> None:
        """Close the object."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NotCopied:
    """Raises `TypeError` if the object is pickled or copied, because it belongs to a thread of this process."""

    def __reduce__(self) -> str:
        raise TypeError("a client cannot be pickled or copied: create one in each process")
