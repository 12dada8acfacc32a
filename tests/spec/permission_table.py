"""Who may do what, written by hand from the documentation; the server's own tables are not used.

Sources: the vendor's pages on groups, members, banning, blocking, pinning and messages (the owner may do everything; an
admin everything but to the owner and to admins; a moderator deals with participants; a participant only speaks; where
pages differ, the narrower right holds), `docs/server.md` (callers and rights), and `docs/reference/errors.md` (codes).

A cell is `yes` or the code of the refusal without its `ERR_`.
"""

from __future__ import annotations

# Columns: the callers. `kicked`, `banned` and `outsider` are not members of a public group. `hidden` is not a member of a private
# one, which does not exist for them. `app` is a REST key alone; `n/a` where the request means something else without a user.
# `kick moderator` is: the caller kicks a member who is a moderator. `moderator to admin`: the caller changes that scope.
GROUPS = """
                           owner                 admin                   moderator               participant             kicked        banned              outsider      hidden          app
see                        yes                   yes                     yes                     yes                     yes           yes                 yes           GUID_NOT_FOUND  yes
list messages              yes                   yes                     yes                     yes                     NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
list members               yes                   yes                     yes                     yes                     NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
list banned                yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
send                       yes                   yes                     yes                     yes                     NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
mark read                  yes                   yes                     yes                     yes                     NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  BAD_REQUEST
join                       ALREADY_JOINED        ALREADY_JOINED          ALREADY_JOINED          ALREADY_JOINED          yes           BANNED_GROUPMEMBER  yes           GUID_NOT_FOUND  n/a
leave                      OWNER_EXIT_FORBIDDEN  yes                     yes                     yes                     NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  n/a
update                     yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
delete                     yes                   yes                     GROUP_NO_ADMIN_SCOPE    GROUP_NO_ADMIN_SCOPE    NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
transfer                   yes                   GROUP_NO_CLEARANCE      GROUP_NO_CLEARANCE      GROUP_NO_CLEARANCE      NOT_A_MEMBER  NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
add participant            yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
add moderator              yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
add admin                  yes                   yes                     GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER       NOT_A_MEMBER  GUID_NOT_FOUND  yes
kick participant           yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
kick moderator             yes                   yes                     GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER       NOT_A_MEMBER  GUID_NOT_FOUND  yes
kick admin                 yes                   GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER      NOT_A_MEMBER  GUID_NOT_FOUND  yes
kick owner                 GROUP_NO_SELF_ACTION  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER      NOT_A_MEMBER  GUID_NOT_FOUND  GROUP_NO_CLEARANCE
ban participant            yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
ban moderator              yes                   yes                     GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER       NOT_A_MEMBER  GUID_NOT_FOUND  yes
ban admin                  yes                   GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER      NOT_A_MEMBER  GUID_NOT_FOUND  yes
ban owner                  GROUP_NO_SELF_ACTION  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER      NOT_A_MEMBER  GUID_NOT_FOUND  GROUP_NO_CLEARANCE
ban outsider               yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
unban                      yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
participant to moderator   yes                   yes                     yes                     GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER        NOT_A_MEMBER  GUID_NOT_FOUND  yes
participant to admin       yes                   yes                     GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER       NOT_A_MEMBER  GUID_NOT_FOUND  yes
moderator to participant   yes                   yes                     GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER       NOT_A_MEMBER  GUID_NOT_FOUND  yes
moderator to admin         yes                   yes                     GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER       NOT_A_MEMBER  GUID_NOT_FOUND  yes
admin to participant       yes                   GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER      NOT_A_MEMBER  GUID_NOT_FOUND  yes
owner to participant       GROUP_NO_SELF_ACTION  GROUP_NO_SCOPE_CLEARANCE GROUP_NO_SCOPE_CLEARANCE GROUP_NO_MODERATOR_SCOPE NOT_A_MEMBER NOT_A_MEMBER      NOT_A_MEMBER  GUID_NOT_FOUND  yes
"""

# A message that a participant has sent in a group. `author` sent it, and is a participant still. `author_kicked` and
# `author_banned` sent it, and are no longer members.
GROUP_MESSAGES = """
                 author             owner  admin  moderator  participant           author_kicked         author_banned         kicked                outsider              hidden                app
read             yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
edit             yes                yes    yes    yes        MESSAGE_NOT_A_SENDER  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
delete           yes                yes    yes    yes        MESSAGE_NOT_A_SENDER  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
react            yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  BAD_REQUEST
take back        yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  BAD_REQUEST
list reactions   yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
pin              PERMISSION_DENIED  yes    yes    yes        PERMISSION_DENIED     MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
unpin            PERMISSION_DENIED  yes    yes    yes        PERMISSION_DENIED     MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
save             yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  BAD_REQUEST
flag             yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
reply            yes                yes    yes    yes        yes                   NOT_A_MEMBER          NOT_A_MEMBER          NOT_A_MEMBER          NOT_A_MEMBER          GUID_NOT_FOUND        yes
quote            yes                yes    yes    yes        yes                   NOT_A_MEMBER          NOT_A_MEMBER          NOT_A_MEMBER          NOT_A_MEMBER          GUID_NOT_FOUND        yes
list replies     yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  yes
follow           yes                yes    yes    yes        yes                   MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  MESSAGE_ID_NOT_FOUND  BAD_REQUEST
"""

# A message from one user to another. `blocker` and `blocked` are its sender, `blocker_2` and `blocked_2` its receiver, with a
# block between both: the blocker set it. `third` has no part in it.
MESSAGES_OF_TWO = """
                 sender  receiver              third                 blocker           blocked         blocker_2             blocked_2             app
see the other    yes     yes                   yes                   yes               yes             yes                   yes                   yes
send             yes     yes                   yes                   BLOCKED_RECEIVER  BLOCKED_SENDER  BLOCKED_RECEIVER      BLOCKED_SENDER        yes
list messages    yes     yes                   yes                   yes               yes             yes                   yes                   n/a
read             yes     yes                   MESSAGE_ID_NOT_FOUND  yes               yes             yes                   yes                   yes
edit             yes     MESSAGE_NOT_A_SENDER  MESSAGE_ID_NOT_FOUND  BLOCKED_RECEIVER  BLOCKED_SENDER  MESSAGE_NOT_A_SENDER  MESSAGE_NOT_A_SENDER  yes
delete           yes     MESSAGE_NOT_A_SENDER  MESSAGE_ID_NOT_FOUND  yes               yes             MESSAGE_NOT_A_SENDER  MESSAGE_NOT_A_SENDER  yes
react            yes     yes                   MESSAGE_ID_NOT_FOUND  BLOCKED_RECEIVER  BLOCKED_SENDER  BLOCKED_RECEIVER      BLOCKED_SENDER        BAD_REQUEST
take back        yes     yes                   MESSAGE_ID_NOT_FOUND  BLOCKED_RECEIVER  BLOCKED_SENDER  BLOCKED_RECEIVER      BLOCKED_SENDER        BAD_REQUEST
list reactions   yes     yes                   MESSAGE_ID_NOT_FOUND  yes               yes             yes                   yes                   yes
pin              yes     yes                   MESSAGE_ID_NOT_FOUND  BLOCKED_RECEIVER  BLOCKED_SENDER  BLOCKED_RECEIVER      BLOCKED_SENDER        yes
unpin            yes     yes                   MESSAGE_ID_NOT_FOUND  BLOCKED_RECEIVER  BLOCKED_SENDER  BLOCKED_RECEIVER      BLOCKED_SENDER        yes
save             yes     yes                   MESSAGE_ID_NOT_FOUND  yes               yes             yes                   yes                   BAD_REQUEST
flag             yes     yes                   MESSAGE_ID_NOT_FOUND  yes               yes             yes                   yes                   yes
reply            yes     yes                   MESSAGE_ID_NOT_FOUND  BLOCKED_RECEIVER  BLOCKED_SENDER  BLOCKED_RECEIVER      BLOCKED_SENDER        n/a
list replies     yes     yes                   MESSAGE_ID_NOT_FOUND  yes               yes             yes                   yes                   yes
follow           yes     yes                   MESSAGE_ID_NOT_FOUND  yes               yes             yes                   yes                   BAD_REQUEST
"""

OF_ANYONE = """
GET /health    GET /health/live    GET /health/ready    GET /settings    GET /docs    GET /openapi.json    GET /metrics
GET /files/{name}    HEAD /files/{name}    POST /files    POST /ping    POST /user_sessions
"""
"""Operations without a caller: health, settings, the reference, files by their secret names and with signed forms."""
OF_A_PASS = "POST /api/v3.0/online-members"
"""The operation that takes the pass of `PUT /me`."""
OF_ANY_KEY = "POST /users    POST /users/{uid}/auth_tokens"
"""What a key of the scope `authOnly` may do."""
OF_THE_BACKEND = """
PUT /users    DELETE /users    PUT /users/{uid}    DELETE /users/{uid}    GET /users/{uid}/export
GET /users/{uid}/blockedusers    POST /users/{uid}/blockedusers    DELETE /users/{uid}/blockedusers
GET /users/{uid}/friends    POST /users/{uid}/friends    DELETE /users/{uid}/friends
GET /users/{uid}/auth_tokens    DELETE /users/{uid}/auth_tokens    GET /users/{uid}/auth_tokens/{token}
PUT /users/{uid}/auth_tokens/{token}    DELETE /users/{uid}/auth_tokens/{token}
GET /apikeys    POST /apikeys    GET /apikeys/{key}    PUT /apikeys/{key}    DELETE /apikeys/{key}
GET /roles    POST /roles    GET /roles/{role}    PUT /roles/{role}    DELETE /roles/{role}
GET /roles/{role}/restrictedfeatures    POST /roles/{role}/restrictedfeatures    DELETE /roles/{role}/restrictedfeatures
GET /webhooks    POST /webhooks    GET /webhooks/triggers    GET /webhooks/{id}    PUT /webhooks/{id}    DELETE /webhooks/{id}
GET /webhooks/{id}/deliveries    POST /webhooks/{id}/deliveries/retry    GET /webhooks/{id}/deliveries/{delivery}
POST /webhooks/{id}/deliveries/{delivery}/retry
GET /moderation/flagged-messages    GET /audit    GET /connections    GET /connections/{id}    GET /connections/{id}/events
GET /processes    GET /configuration    GET /stats    GET /stats/stream    POST /console/links
GET /notifications/push/v1/failed    POST /notifications/push/v1/failed/retry
POST /notifications/push/v1/failed/{id}/retry
GET /notifications/push/v1/devices    GET /notifications/push/v1/deliveries    GET /notifications/push/v1/deliveries/{id}
"""
"""Operations that need a REST key. All others need a user, or a REST key."""

YES, OTHER = "yes", "n/a"


def cells(table: str) -> dict[str, dict[str, str]]:
    """Return a table by row and column: `yes`, `n/a`, or the whole code of the refusal."""
    head, *lines = table.strip("\n").splitlines()
    columns = head.split()
    rows = {}
    for line in lines:
        words = line.split()
        what, codes = " ".join(words[: -len(columns)]), words[-len(columns) :]
        rows[what] = {
            who: cell if cell in (YES, OTHER) else f"ERR_{cell}" for who, cell in zip(columns, codes, strict=True)
        }
    return rows


def listed_operations(operations: str) -> set[str]:
    """Return the operations of a list, such as `GET /health`."""
    words = operations.split()
    return {" ".join(pair) for pair in zip(words[::2], words[1::2], strict=True)}
