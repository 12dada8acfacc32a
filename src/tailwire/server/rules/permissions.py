"""Who may do what: the one table. Each operation against each role towards the object. PURE.

A cell says `-` (allowed) or the code of the refusal, without its `ERR_`. A test walks through every cell over HTTP. No cell
tells somebody who may not know of an object that it exists: to them it is the same as one that does not.
"""

from __future__ import annotations

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused

# Towards a group. `outsider`: no member of a private group. `stranger`: no member of another. A REST key without
# `onBehalfOf` may do everything; one on behalf of a user has the user's role, but knows of every group.
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

# Towards a message. `stranger`: may not read it. `sender`, `receiver`: of a message between two users. `author`: a
# participant, of a message of their own in a group. The others: of any message in their group. Another device of the
# sender is the sender.
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

# What is done to a message between two users and told to the other: a block stops it. A deletion it does not stop.
STOPPED_BY_BLOCKS = frozenset({"edit", "react", "pin"})

# Towards another user. `blocker`: has blocked them. `blocked`: is blocked by them. `change`: one of `STOPPED_BY_BLOCKS`.
USERS = """
         stranger  self               blocker           blocked
see      -         -                  -                 -
write    -         -                  BLOCKED_RECEIVER  BLOCKED_SENDER
type     -         -                  BLOCKED_RECEIVER  BLOCKED_SENDER
change   -         -                  BLOCKED_RECEIVER  BLOCKED_SENDER
block    -         CANNOT_BLOCK_SELF  -                 -
befriend -         CANNOT_FORM_SELF_RELATION  -         -
"""

# With which key. `none`: without any, `token`: the auth token of a user. The codes of this table begin with `AUTH_ERR_`.
KEYS = """
               none          unknown           auth       rest  token
create_user    EMPTY_APIKEY  APIKEY_NOT_FOUND  -          -     EMPTY_APIKEY
create_token   EMPTY_APIKEY  APIKEY_NOT_FOUND  -          -     EMPTY_APIKEY
administer     EMPTY_APIKEY  APIKEY_NOT_FOUND  NO_ACCESS  -     EMPTY_APIKEY
"""

Table = dict[str, dict[str, str]]


def read_table(text: str, prefix: str = "ERR_") -> Table:
    """A table of this module: operation, role, code of the refusal ("" where it is allowed)."""
    head, *rows = [line.split() for line in text.strip().splitlines()]
    table: Table = {}
    for name, *cells in rows:
        codes = ["" if cell == "-" else prefix + cell for cell in cells]
        table[name] = dict(zip(head, codes, strict=True))
    return table


_GROUPS, _MESSAGES, _USERS = read_table(GROUPS), read_table(MESSAGES), read_table(USERS)
_KEYS = read_table(KEYS, "AUTH_ERR_")


def group_role(group: GroupRow, member: MemberRow | None, ban: BanRow | None = None, *, knows: bool = False) -> str:
    """The role of somebody towards a group.

    Args:
        knows: they may know of private groups that they are no member of (a REST key on their behalf).
    """
    if member is not None:
        return "owner" if group.owner == member.uid else member.scope
    if group.type == "private" and not knows:
        return "outsider"
    return "banned" if ban is not None else "stranger"


def message_role(message: MessageRow, who: str, member: MemberRow | None, owner: str | None) -> str:
    """The role of somebody towards a message.

    Args:
        member: their membership in the message's group, if it has one.
        owner: of the message's group.
    """
    if message.receiver_type == "user":
        return "sender" if who == message.sender else "receiver" if who == message.receiver else "stranger"
    if member is None:
        return "stranger"
    role = "owner" if who == owner else member.scope
    return "author" if role == "participant" and who == message.sender else role


def user_role(who: str, other: str, blocked_by: str) -> str:
    """The role of somebody towards another user; `blocked_by` is who of the two has blocked, if any."""
    if who == other:
        return "self"
    return {"": "stranger", who: "blocker"}.get(blocked_by, "blocked")


def check_group(operation: str, role: str) -> None:
    """Whether somebody may do something in a group.

    Raises:
        Refused: with the table's code.
    """
    _check(_GROUPS, operation, role)


def check_message(operation: str, role: str) -> None:
    """Whether somebody may do something to a message.

    Raises:
        Refused: with the table's code.
    """
    _check(_MESSAGES, operation, role)


def check_user(operation: str, role: str) -> None:
    """Whether somebody may do something to another user.

    Raises:
        Refused: with the table's code.
    """
    _check(_USERS, operation, role)


def check_key(operation: str, role: str) -> None:
    """Whether something may be done with a key.

    Raises:
        Refused: with the table's code.
    """
    _check(_KEYS, operation, role)


def _check(table: Table, operation: str, role: str) -> None:
    code = table[operation][role]
    if code:
        raise Refused(code)
