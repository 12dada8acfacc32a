"""Limits of the texts that users write. The defaults are CometChat's; each is a setting."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.urls import check_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """The largest lengths of what users write, and methods that check them.

    Attributes:
        name: characters of a name.
        url: characters of the URL of an avatar, icon or link.
        metadata: bytes of the metadata of a user, group or role.
        tags: the number of tags of one object.
        tag: characters of a tag.
        password: characters of a group's password.
        description: characters of a group's description.
        at_once: how many users or groups one request may name.
    """

    name: int
    url: int
    metadata: int
    tags: int
    tag: int
    password: int
    description: int
    at_once: int

    def check_name(self, value: str, field: str = "name") -> str:
        """Return a display name unchanged, after checking that it is valid.

        Raises:
            Refused: ERR_BAD_REQUEST, naming `field`: it is too long, empty, or has only spaces.
        """
        if not value.strip() or len(value) > self.name:
            raise Refused("ERR_BAD_REQUEST", {field: f"Use 1 to {self.name} characters."})
        return value

    def check_url(self, value: str | None, field: str) -> str | None:
        """Return the URL of an icon, avatar or link, after checking that it is valid; None if there is none.

        Args:
            value: the URL; None or "" if there is none.
            field: the name of the field. A `data:image` URL is valid in all fields but `link`.

        Raises:
            Refused: ERR_BAD_REQUEST, naming the field: the URL is too long, or unsafe to follow (see `check_address`).
        """
        self._check(value, self.url, field)
        if value:
            check_address(value, field, picture=field != "link")
        return value or None

    def check_tags(self, value: list[str]) -> list[str]:
        """Return the tags of a user, group, message or conversation, after checking that they are valid.

        Raises:
            Refused: ERR_BAD_REQUEST: there are too many, or one is empty or too long.
        """
        if len(value) > self.tags or any(not t or len(t) > self.tag for t in value):
            raise Refused("ERR_BAD_REQUEST", {"tags": f"Use at most {self.tags} tags of 1 to {self.tag} characters."})
        return value

    def check_metadata(self, encoded: bytes) -> str | None:
        """Return encoded metadata as text, after checking that it is valid; None for `null`.

        Raises:
            Refused: ERR_BAD_REQUEST: it is not a JSON object, or too large.
        """
        if encoded == b"null":
            return None
        if not encoded.lstrip().startswith(b"{") or len(encoded) > self.metadata:
            raise Refused("ERR_BAD_REQUEST", {"metadata": f"Use an object of at most {self.metadata} bytes."})
        return encoded.decode()

    def check_group(self, password: str | None, description: str | None) -> None:
        """Check the password and the description of a group. None, for one that is not given, is valid.

        Raises:
            Refused: ERR_BAD_REQUEST: one of them is too long.
        """
        self._check(password, self.password, "password")
        self._check(description, self.description, "description")

    def check_count(self, count: int, field: str, what: str, least: int = 1) -> None:
        """Check that a request names at least `least` items, and at most `at_once`.

        Args:
            count: how many it names.
            field: the name of the field, for the details.
            what: the plural name of the items.
            least: the minimum.

        Raises:
            Refused: ERR_BAD_REQUEST: they are too few or too many.
        """
        if not least <= count <= self.at_once:
            raise Refused("ERR_BAD_REQUEST", {field: f"Name {least} to {self.at_once} {what}."})

    @staticmethod
    def _check(value: str | None, max_characters: int, field: str) -> None:
        if value is not None and len(value) > max_characters:
            raise Refused("ERR_BAD_REQUEST", {field: f"Use at most {max_characters} characters."})
