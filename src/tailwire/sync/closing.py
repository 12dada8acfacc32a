"""Mixins of the blocking clients: the `with` statement, and the refusal to be copied."""

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
    """Refuses to be pickled or copied, because it belongs to a thread of this process."""

    def __reduce__(self) -> str:
        raise TypeError("a client cannot be pickled or copied: create one in each process")
