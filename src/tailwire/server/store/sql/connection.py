"""The interface to a database that the shared nouns need: reads, writes of one statement, and its SQL dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Parameters = Mapping[str, Any] | Sequence[Any]
"""The values of a statement: by name for `:name`, in order for `?`. A mapping may have more than these."""


class Dialect(Protocol):
    """Expressions that databases write differently. Each method returns SQL."""

    @property
    def name(self) -> str:
        """The name of the dialect in SQLAlchemy."""

    def lower(self, text: str) -> str:
        """Return the text in lower case, folded as by `sql.folding.fold`."""

    def contains(self, text: str, part: str) -> str:
        """Return the condition that a text contains another."""

    @property
    def greatest(self) -> str:
        """The name of the function that returns the greatest of its arguments, ignoring NULL."""

    def any_of(self, column: str, selected: Sequence[str] | Sequence[int], values: list[Any]) -> str:
        """Return the condition that a column has one of the selected values, and append its parameter to `values`.

        Args:
            values: the values of the `?` before it.
        """

    def texts(self, column: str) -> str:
        """Return a table with the column `value`: the texts of a JSON list in a text column, none for NULL."""

    def by_index(self, index: str) -> str:
        """Return the hint to use an index, "" where the planner chooses."""


class Connection(Protocol):
    """The connections of one process to a database. A read sees every write that was acknowledged before it began.

    While a PostgreSQL database cannot be used, each method raises `Refused` with ERR_UNAVAILABLE.
    """

    @property
    def dialect(self) -> Dialect:
        """The expressions of this database."""

    async def first_row(self, sql: str, parameters: Parameters = ()) -> Any:
        """Return the first row of a query that an index answers at once, or None."""

    async def first_rows(self, sql: str, keys: Iterable[Parameters]) -> list[Any]:
        """Return the first row of a query as `first_row` does, or None, for each set of parameters."""

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that is nearly always short."""

    async def long_rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that may be long: it waits for its turn, and has a deadline.

        Raises:
            Refused: ERR_QUERY_TOO_BROAD, it took too long; ERR_TOO_MANY_REQUESTS, too many reads of this user wait;
                ERR_UNAVAILABLE, too many wait in all, or the database cannot be used.
        """

    async def page(self, count: str, sql: str, values: Parameters, page: Parameters) -> tuple[list[Any], int]:
        """Return a page of a list and the number of all its entries, both of the same state.

        Args:
            count: the query that counts, with `values`.
            sql: the query for the page, with `page`.

        Raises:
            Refused: as for `long_rows`.
        """

    async def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a single statement that writes, and return the number of rows that it changed.

        Raises:
            Refused: ERR_REQUEST_OUTDATED, the number of the request is not new; ERR_UNAVAILABLE, the database cannot be
                written.
        """

    async def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a single statement that writes for each of the rows, all in one transaction.

        Raises:
            Refused: as for `run`.
        """
