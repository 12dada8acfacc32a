"""Who may do what: one table per kind of object, with an operation in each row and a role in each column.

A cell is `-` (allowed) or the code of the refusal without its prefix `ERR_`. A test requests every cell over HTTP. A
role that may not know that an object exists gets the same refusal as for an object that does not exist.
"""

from __future__ import annotations

from typing import Literal

from tailwire.server.ports.conversations import other_in
from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow, Scope
from tailwire.server.ports.refusal import Refused

# `outsider`: not a member of a private group. `stranger`: not a member of another group. A REST key without
# `onBehalfOf` may do everything. A REST key on behalf of a user has the role of that user, but knows of every group.
GROUPS = """
                       outsider        stranger      banned              participant               moderator                admin                    owner
see                    GUID_NOT_FOUND  -             -                   -                         -                        -                        -
join                   GUID_NOT_FOUND  -             BANNED_GROUPMEMBER  ALREADY_JOINED            ALREADY_JOINED           ALREADY_JOINED           ALREADY_JOINED
leave                  GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        -                         -                        -                        OWNER_EXIT_FORBIDDEN
read                   GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        -                         -                        -                        -
write                  GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        -                         -                        -                        -
list_members           GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        -                         -                        -                        -
list_banned            GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
update                 GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
delete                 GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_ADMIN_SCOPE      GROUP_NO_ADMIN_SCOPE     -                        -
transfer               GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_CLEARANCE        GROUP_NO_CLEARANCE       GROUP_NO_CLEARANCE       -
add_member             GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
unban                  GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
remove_participant     GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
remove_moderator       GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE -                        -
remove_admin           GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE -
remove_owner           GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SELF_ACTION
change_participant     GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
change_moderator       GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE -                        -
change_admin           GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE -
change_owner           GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SELF_ACTION
make_participant       GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
make_moderator         GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  -                        -                        -
make_admin             GUID_NOT_FOUND  NOT_A_MEMBER  NOT_A_MEMBER        GROUP_NO_MODERATOR_SCOPE  GROUP_NO_SCOPE_CLEARANCE -                        -
"""

# `stranger`: may not read the message. `sender`, `receiver`: of a message between two users. `author`: a participant who
# sent the message in a group. The other roles apply to any message in the group. All devices of a user have one role.
MESSAGES = """
             stranger              sender  receiver              author             participant           moderator  admin  owner
read         MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
edit         MESSAGE_ID_NOT_FOUND  -       MESSAGE_NOT_A_SENDER  -                  MESSAGE_NOT_A_SENDER  -          -      -
delete       MESSAGE_ID_NOT_FOUND  -       MESSAGE_NOT_A_SENDER  -                  MESSAGE_NOT_A_SENDER  -          -      -
reply        MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
quote        MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
react        MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
flag         MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
save         MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
follow       MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
interact     MESSAGE_ID_NOT_FOUND  -       -                     -                  -                     -          -      -
pin          MESSAGE_ID_NOT_FOUND  -       -                     PERMISSION_DENIED  PERMISSION_DENIED     -          -      -
"""

# A block between two users stops these operations on their messages. It does not stop a deletion.
STOPPED_BY_BLOCKS = frozenset({"edit", "react", "pin"})

# `blocker`: has blocked the other user. `blocked`: is blocked by the other user. `change`: one of `STOPPED_BY_BLOCKS`.
USERS = """
         stranger  self               blocker           blocked
see      -         -                  -                 -
write    -         -                  BLOCKED_RECEIVER  BLOCKED_SENDER
type     -         -                  BLOCKED_RECEIVER  BLOCKED_SENDER
change   -         -                  BLOCKED_RECEIVER  BLOCKED_SENDER
block    -         CANNOT_BLOCK_SELF  -                 -
befriend -         CANNOT_FORM_SELF_RELATION  -         -
"""

# Columns: no key, an unknown key, a key with the scope `authOnly`, a REST key, the auth token of a user. The codes of
# this table begin with `AUTH_ERR_`.
KEYS = """
               none          unknown           auth       rest  token
create_user    EMPTY_APIKEY  APIKEY_NOT_FOUND  -          -     EMPTY_APIKEY
create_token   EMPTY_APIKEY  APIKEY_NOT_FOUND  -          -     EMPTY_APIKEY
administer     EMPTY_APIKEY  APIKEY_NOT_FOUND  NO_ACCESS  -     EMPTY_APIKEY
"""

GroupOperation = Literal[
    "see", "join", "leave", "read", "write", "list_members", "list_banned", "update", "delete", "transfer",
    "add_member", "unban",
    "remove_participant", "remove_moderator", "remove_admin", "remove_owner",
    "change_participant", "change_moderator", "change_admin", "change_owner",
    "make_participant", "make_moderator", "make_admin",
]  # fmt: skip
MessageOperation = Literal[
    "read", "edit", "delete", "reply", "quote", "react", "flag", "save", "follow", "interact", "pin"
]
UserOperation = Literal["see", "write", "type", "change", "block", "befriend"]
KeyOperation = Literal["create_user", "create_token", "administer"]

MemberRole = Literal["participant", "moderator", "admin", "owner"]
GroupRole = Literal["outsider", "stranger", "banned", MemberRole]
MessageRole = Literal["stranger", "sender", "receiver", "author", MemberRole]
UserRole = Literal["stranger", "self", "blocker", "blocked"]
KeyRole = Literal["none", "unknown", "auth", "rest", "token"]

REMOVAL: dict[MemberRole, GroupOperation] = {
    "participant": "remove_participant",
    "moderator": "remove_moderator",
    "admin": "remove_admin",
    "owner": "remove_owner",
}
"""For each role of a member: the operation that the caller needs to be allowed to remove or ban such a member."""
SCOPE_CHANGE: dict[MemberRole, GroupOperation] = {
    "participant": "change_participant",
    "moderator": "change_moderator",
    "admin": "change_admin",
    "owner": "change_owner",
}
"""For each role of a member: the operation that the caller needs to be allowed to change the scope of such a member."""
GRANT: dict[Scope, GroupOperation] = {
    "participant": "make_participant",
    "moderator": "make_moderator",
    "admin": "make_admin",
}
"""For each scope: the operation that the caller needs to be allowed to give this scope to a member."""

Table = dict[str, dict[str, str]]


def read_table(text: str, prefix: str = "ERR_") -> Table:
    """Parse a table of this module. Return for each operation a dict with the code of the refusal for each role.

    The code is "" where the operation is allowed.

    Args:
        text: the table, such as `GROUPS`.
        prefix: the beginning of each code, which is not written in the table.
    """
    head, *rows = [line.split() for line in text.strip().splitlines()]
    table: Table = {}
    for name, *cells in rows:
        codes = ["" if cell == "-" else prefix + cell for cell in cells]
        table[name] = dict(zip(head, codes, strict=True))
    return table


_GROUPS, _MESSAGES, _USERS = read_table(GROUPS), read_table(MESSAGES), read_table(USERS)
_KEYS = read_table(KEYS, "AUTH_ERR_")


def member_role(member: MemberRow, owner: str | None) -> MemberRole:
    """Return the role of a member in a group.

    Args:
        member: the membership.
        owner: the uid of the group's owner; None if it has none.
    """
    return "owner" if member.uid == owner else member.scope


def group_role(
    group: GroupRow, member: MemberRow | None, ban: BanRow | None = None, *, knows: bool = False
) -> GroupRole:
    """Return a user's role in a group.

    Args:
        group: the group.
        member: the user's membership; None if they are not a member.
        ban: the user's ban; None if they are not banned.
        knows: whether the caller may know of private groups without being a member, as a REST key may on behalf of a
            user.
    """
    if member is not None:
        return member_role(member, group.owner)
    if group.type == "private" and not knows:
        return "outsider"
    return "banned" if ban is not None else "stranger"


def message_role(message: MessageRow, uid: str, member: MemberRow | None, owner: str | None) -> MessageRole:
    """Return a user's role with regard to a message.

    Args:
        message: the message.
        uid: the user.
        member: the user's membership in the message's group; None if they are not a member, or for a message between
            two users.
        owner: the uid of the owner of the message's group; None if it has none, or for a message between two users.
    """
    if message.receiver_type == "user":
        if uid == message.sender:
            return "sender"
        # The app may have edited or deleted the message of either participant.
        return "receiver" if other_in(message.conversation_id, uid) else "stranger"
    if member is None:
        return "stranger"
    role = member_role(member, owner)
    return "author" if role == "participant" and uid == message.sender else role


def user_role(uid: str, other: str, blocked_by: str) -> UserRole:
    """Return a user's role with regard to another user.

    Args:
        uid: the user who acts.
        other: the user who is acted on.
        blocked_by: the uid of the one who has blocked the other; `uid` if both have; "" if neither has.
    """
    if uid == other:
        return "self"
    if not blocked_by:
        return "stranger"
    return "blocker" if blocked_by == uid else "blocked"


def check_group(operation: GroupOperation, role: GroupRole) -> None:
    """Check that a role may perform an operation in a group.

    Raises:
        Refused: with the code in `GROUPS`.
    """
    _check(_GROUPS, operation, role)


def check_message(operation: MessageOperation, role: MessageRole) -> None:
    """Check that a role may perform an operation on a message.

    Raises:
        Refused: with the code in `MESSAGES`.
    """
    _check(_MESSAGES, operation, role)


def check_user(operation: UserOperation, role: UserRole) -> None:
    """Check that a role may perform an operation on another user.

    Raises:
        Refused: with the code in `USERS`.
    """
    _check(_USERS, operation, role)


def check_key(operation: KeyOperation, role: KeyRole) -> None:
    """Check that an API key, or what a client sent in place of one, permits an operation.

    Raises:
        Refused: with the code in `KEYS`.
    """
    _check(_KEYS, operation, role)


def _check(table: Table, operation: str, role: str) -> None:
    code = table[operation][role]
    if code:
        raise Refused(code)
