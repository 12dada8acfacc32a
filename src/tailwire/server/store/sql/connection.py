"""The interface to a database for the code that all databases share: reads, writes of one statement, SQL dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Parameters = Mapping[str, Any] | Sequence[Any]
"""The values of a statement: a mapping by name for `:name`, or a sequence for `?`. A mapping may have other values
too."""


class Dialect(Protocol):
    """Expressions that databases write differently. Each method returns SQL."""

    @property
    def name(self) -> str:
        """The name of the dialect in SQLAlchemy."""

    def lower(self, text: str) -> str:
        """Return the expression for a text in lower case, as `sql.folding.fold` makes it."""

    def contains(self, text: str, part: str) -> str:
        """Return the condition that a text contains another one. Both are SQL expressions."""

    @property
    def greatest(self) -> str:
        """The name of the function that returns the greatest of its arguments, ignoring NULL."""

    def any_of(self, column: str, selected: Sequence[str] | Sequence[int], values: list[Any]) -> str:
        """Return the condition that a column has one of the selected values.

        Args:
            column: an SQL expression.
            selected: the values; if there are none, the condition is false.
            values: the values of the statement's parameters so far. Those of the condition are appended to it.
        """

    def texts(self, column: str) -> str:
        """Return a table expression with one column, `value`, and a row for each text of a JSON list.

        Args:
            column: a text column with the JSON list, or NULL for an empty one.
        """

    def by_index(self, index: str) -> str:
        """Return the clause after a table's name that makes the query use an index; "" if the database has none."""


class Connection(Protocol):
    """The connections of one process to a database. A read sees every write that was acknowledged before it began.

    While a PostgreSQL database cannot be used, each method raises `Refused` with ERR_UNAVAILABLE.
    """

    @property
    def dialect(self) -> Dialect:
        """The SQL dialect of this database."""

    async def first_row(self, sql: str, parameters: Parameters = ()) -> Any:
        """Return the first row of a query, or None. Only for queries that an index answers at once."""

    async def first_rows(self, sql: str, keys: Iterable[Parameters]) -> list[Any]:
        """Return the result of `first_row` for each set of parameters, in their order."""

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that nearly always takes little time."""

    async def long_rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query that may take long.

        Waits until it is the turn of the user whose request this is: see `ReadQueue`.

        Raises:
            Refused: ERR_QUERY_TOO_BROAD, the query took longer than the read deadline; ERR_TOO_MANY_REQUESTS, too many
                reads of this user wait; ERR_UNAVAILABLE, too many reads wait in all, or the database cannot be used.
        """

    async def page(self, count: str, sql: str, values: Parameters, page: Parameters) -> tuple[list[Any], int]:
        """Return a page of a list and the number of all its entries, both from one snapshot. Waits as `long_rows` does.

        Args:
            count: the query that counts the entries.
            sql: the query for the page.
            values: the values of `count`.
            page: the values of `sql`.

        Raises:
            Refused: as for `long_rows`.
        """

    async def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a single statement that writes, and return the number of rows that it changed.

        Raises:
            Refused: ERR_REQUEST_OUTDATED, the number of the request is not higher than the stored one; ERR_UNAVAILABLE,
                the database cannot be written.
        """

    async def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement that writes once for each row of values, all in one transaction.

        Raises:
            Refused: as for `run`.
        """
