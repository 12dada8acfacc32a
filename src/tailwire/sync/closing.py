"""Objects that are closed at the end of a `with` block, and stay in their process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closable(ABC):
    """Calls `close()` at the end of a `with` block."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NotCopied:
    """Refuses to be pickled or copied: it belongs to a thread of this process."""

    def __reduce__(self) -> str:
        raise TypeError("a client cannot be pickled or copied: make one in each process")
