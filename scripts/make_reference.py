"""Writes docs/reference/: each error code, and each documented row beside ours, with the test that shows it.

What is compared is read from the code: the operations of the server, the methods of the client, the catalogue, and which
tests call what. A test fails when a page is not current, or a row has no test.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
TESTS = ROOT / "tests"
sys.path.insert(0, str(TESTS))
SOURCE = ROOT / "src" / "tailwire"

# The documented surface by chapter. `a>b`: what is called a there is b here.
SDK: dict[str, str] = {
    "Lifecycle": "init login loginWithAuthToken getLoggedInUser logout connect disconnect ping getConnectionStatus "
    "getLastDeliveredMessageId createUser updateUser updateCurrentUserDetails",
    "Listeners": "addConnectionListener removeConnectionListener addLoginListener removeLoginListener addUserListener "
    "removeUserListener addGroupListener removeGroupListener addMessageListener removeMessageListener",
    "Messages": "sendMessage sendMediaMessage sendCustomMessage sendInteractiveMessage sendTransientMessage editMessage "
    "deleteMessage getMessageDetails>get_message startTyping endTyping",
    "Receipts and counts": "markAsDelivered markAsRead markMessageAsUnread markConversationAsDelivered "
    "markConversationAsRead getMessageReceipts getUnreadMessageCount getUnreadMessageCountForUser "
    "getUnreadMessageCountForGroup getUnreadMessageCountForAllUsers getUnreadMessageCountForAllGroups",
    "Reactions, pins, reports": "addReaction removeReaction pinMessage unpinMessage saveMessage unsaveMessage "
    "isPinMessageEnabled isSaveMessageEnabled getPinnedMessagesLimit getSavedMessagesLimit getFlagReasons flagMessage "
    "markAsInteracted subscribeToThread unsubscribeFromThread",
    "Uploads": "createUploadFileRequest uploadAttachments",
    "Conversations": "getConversation tagConversation deleteConversation pinConversation unpinConversation "
    "getConversationFromMessage",
    "Users": "getUser blockUsers unblockUsers getOnlineUserCount",
    "Groups": "createGroup createGroupWithMembers joinGroup leaveGroup updateGroup deleteGroup getGroup "
    "transferGroupOwnership getOnlineGroupMemberCount addMembersToGroup kickGroupMember banGroupMember "
    "unbanGroupMember updateGroupMemberScope",
}
CALLBACKS: dict[str, str] = {  # the callback, and what the tests' listener notes for it
    "onConnected": "status", "onConnecting": "status", "onDisconnected": "status", "onConnectionError": "error",
    "loginSuccess": "login", "loginFailure": "login failure", "logoutSuccess": "logout", "logoutFailure": "logout failure",
    "onUserOnline": "online", "onUserOffline": "offline", "onTextMessageReceived": "text",
    "onMediaMessageReceived": "media", "onCustomMessageReceived": "custom", "onInteractiveMessageReceived": "interactive",
    "onTypingStarted": "typing", "onTypingEnded": "typing ended", "onMessagesDelivered": "delivered",
    "onMessagesRead": "read", "onMessagesDeliveredToAll": "delivered to all", "onMessagesReadByAll": "read by all",
    "onMessageEdited": "edited", "onMessageDeleted": "deleted", "onTransientMessageReceived": "transient",
    "onMessageReactionAdded": "reaction", "onMessageReactionRemoved": "reaction", "onMessagePinned": "pinned",
    "onMessageUnpinned": "unpinned", "onMessageSaved": "saved", "onMessageUnsaved": "unsaved",
    "onGroupMemberJoined": "joined", "onGroupMemberLeft": "left", "onGroupMemberKicked": "kicked",
    "onGroupMemberBanned": "banned", "onGroupMemberUnbanned": "unbanned", "onGroupMemberScopeChanged": "scope",
    "onMemberAddedToGroup": "added", "onFileProgress": "progress", "onFileUploaded": "uploaded",
    "onFileError": "rejected", "onFileFailure": "failed", "onComplete": "complete",
}  # fmt: skip
FRAMES = {  # what crosses the WebSocket, in the order of the protocol's tables
    "`auth` and its answer": "interop/test_javascript_sdk.py::test_login_settings_socket_and_logout",
    "a refused `auth`": "e2e/test_bad_input.py::test_frames",
    "ping, pong": "spec/test_modes.py::test_ping_succeeds_with_a_socket_and_fails_without",
    "`typing_indicator` started, ended": "interop/test_javascript_sdk.py::test_typing_transient_and_presence",
    "`transient_message`": "interop/test_javascript_sdk.py::test_typing_transient_and_presence",
    "`receipts` delivered, read": "interop/test_javascript_sdk.py::test_receipts_and_unread_counts",
    "`receipts` deliveredToAll, readByAll": "interop/test_javascript_sdk.py::test_group_receipts_for_all",
    "`message` of each category": "interop/test_javascript_sdk.py::test_interactive_messages",
    "`message`, action edited, deleted": "interop/test_javascript_sdk.py::test_edit_and_delete",
    "`message`, action of a group's members": "interop/test_javascript_sdk.py::test_groups_members_scopes_and_bans",
    "`presence`, of all": "interop/test_javascript_sdk.py::test_typing_transient_and_presence",
    "`presence`, by role": "interop/test_javascript_sdk.py::test_presence_by_role",
    "`presence`, of friends": "interop/test_javascript_sdk.py::test_presence_of_friends",
    "`reaction`": "interop/test_javascript_sdk.py::test_reactions",
    "`pin`, `save`": "interop/test_javascript_sdk.py::test_pins_saves_and_flags",
    "`conversation_pin`": "spec/test_chapters.py::test_conversations",
    "own messages and receipts on other devices": "interop/test_javascript_sdk.py::test_several_devices_of_one_user",
    "after a reload": "interop/test_javascript_sdk.py::test_a_reloaded_page_hears_again",
    "after a time offline": "interop/test_javascript_sdk.py::test_a_device_that_is_offline_for_a_while",
    "after the server was killed": "interop/test_javascript_sdk.py::test_a_server_that_is_killed_and_comes_back",
}
LEFT_OUT = {
    "Calls (`startCall`, `acceptCall` …, `CallListener`)": "needs media servers; out of scope",
    "AI agents and assistants (`askBot`, smart replies, `AIAssistantListener`)": "needs models; out of scope",
    "Push (`registerTokenForPushNotification` …, preferences)": "needs the phone vendors' services; out of scope",
    "Extensions (`callExtension`, polls, stickers, translation)": "services of the vendor's own; the list of them is empty",
    "`onMessageModerated`, moderation rules and keywords": "there is no moderation engine; reports are kept",
    "`onCardMessageReceived`, campaigns, notification feed": "made by the vendor's dashboard",
    "`mentionsWithTagInfo`, `mentionsWithBlockedInfo`": "mentioned users carry uid and name; `get_user` says the rest",
    "`interactionGoalCompletedOnly`, `withParent`, `setPage` of messages": "a request's cursor moves through pages; parents are read by id",
    "`unreadRepliesCount`, `deliveredToMeAt`, `readByMeAt`": "what the user has read is kept by conversation: `last_read_message_id`",
    "`setSource`, `setPlatformParams`, `setDemoMetaInfo`": "for the vendor's statistics",
    "`hideAgentic`, `onlyAgentic`": "no agents here",
    "`onInteractionGoalCompleted`": "interactions are kept and shown with the message; no frame for the goal was observed",
    "App-wide pins of conversations, RBAC, metrics, data import, management API": "of the vendor's dashboard",
}
JAVASCRIPT = [
    "init",
    "login",
    "logout",
    "getLoggedinUser",
    "getConnectionStatus",
    "connect",
    "disconnect",
    "sendMessage",
    "sendMediaMessage",
    "sendCustomMessage",
    "sendInteractiveMessage",
    "sendTransientMessage",
    "editMessage",
    "deleteMessage",
    "getMessageDetails",
    "addReaction",
    "removeReaction",
    "markAsRead",
    "markAsDelivered",
    "markConversationAsRead",
    "markMessageAsUnread",
    "getMessageReceipts",
    "getUnreadMessageCount",
    "getUnreadMessageCountForUser",
    "getUnreadMessageCountForAllUsers",
    "markAsInteracted",
    "subscribeToThread",
    "unsubscribeFromThread",
    "startTyping",
    "endTyping",
    "getConversation",
    "tagConversation",
    "deleteConversation",
    "pinConversation",
    "unpinConversation",
    "getUser",
    "getOnlineUserCount",
    "blockUsers",
    "unblockUsers",
    "createUser",
    "updateUser",
    "updateCurrentUserDetails",
    "createGroup",
    "createGroupWithMembers",
    "joinGroup",
    "leaveGroup",
    "updateGroup",
    "deleteGroup",
    "getGroup",
    "transferGroupOwnership",
    "addMembersToGroup",
    "updateGroupMemberScope",
    "kickGroupMember",
    "banGroupMember",
    "unbanGroupMember",
    "getOnlineGroupMemberCount",
    "pinMessage",
    "unpinMessage",
    "saveMessage",
    "unsaveMessage",
    "getFlagReasons",
    "flagMessage",
    "createUploadFileRequest",
    "MessagesRequestBuilder",
    "ConversationsRequestBuilder",
    "UsersRequestBuilder",
    "BlockedUsersRequestBuilder",
    "GroupsRequestBuilder",
    "GroupMembersRequestBuilder",
    "BannedMembersRequestBuilder",
    "ReactionsRequestBuilder",
]
JS_CALLBACKS = [
    c
    for c in CALLBACKS
    if c.startswith("on") and c not in ("onConnected", "onConnecting", "onDisconnected", "onConnectionError")
]


def snake(name: str) -> str:
    """A documented name in Python's form."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def tests() -> dict[str, str]:
    """The source of every test, by its name."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[f"{path.relative_to(TESTS)}::{node.name}"] = ast.get_source_segment(text, node) or ""
    return found


ALL = tests()


def showing(pattern: str, folders: Iterable[str] = ("spec", "property", "e2e", "unit")) -> str:
    """A test whose source has a pattern; "" when none has."""
    for name, source in ALL.items():
        if name.split("/")[0] in folders and re.search(pattern, source):
            return name
    return ""


def cell(test: str) -> str:
    """A test as a cell of a table."""
    return f"`{test}`" if test else "**none**"


LIMITS = {  # what is documented to be limited, our settings for it, and the test that reaches them
    "message in all": ("max_body max_frame", "how_much_at_once_and_in_messages"),
    "`data` of a message": ("max_data", "how_much_at_once_and_in_messages"),
    "files and attachments": ("max_file max_files", "how_large_and_how_many_files"),
    "names": ("max_name", "how_long_it_may_be_of_a_user"),
    "avatar, icon, link": ("max_url", "how_long_it_may_be_of_a_user"),
    "metadata of users and groups": ("max_metadata", "how_long_it_may_be_of_a_user"),
    "tags": ("max_tags max_tag", "how_long_it_may_be_of_a_user"),
    "password and description of groups": ("max_group_password max_group_description", "how_long_it_may_be_of_a_group"),
    "members of a group": ("max_group_members", "how_many_of_each_there_may_be"),
    "groups and friends of a user": ("max_groups_per_user max_friends", "how_many_of_each_there_may_be"),
    "auth tokens of a user": ("max_tokens", "how_many_of_each_there_may_be"),
    "presence": ("max_presence_users", "with_many_online_nobody_is_told_who_comes"),
    "typing in groups": ("max_typing_members", "in_large_groups_nobody_is_told_who_types_or_reads"),
    "receipts in groups": ("max_receipt_members", "in_large_groups_nobody_is_told_who_types_or_reads"),
    "members in one call": ("max_at_once", "how_much_at_once_and_in_messages"),
    "pins and saves": (
        "max_pinned_messages max_saved_messages max_pinned_conversations", "how_many_of_each_there_may_be",
    ),
    "requests a minute": ("core_per_minute standard_per_minute", "the_app_as_a_whole_has_two_rates"),
}  # fmt: skip
CONSTANTS = {  # the documented values, and the class that has them here
    "CometChatReceiverType": ("ReceiverType", "user group"),
    "CometChatConversationType": ("ConversationType", "user group"),
    "CometChatMessageType": ("MessageType", "text image video audio file custom"),
    "message category": ("Category", "message custom action call interactive"),
    "group member and message actions": (
        "ActionType", "joined left kicked banned unbanned added scopeChanged edited deleted",
    ),
    "interactive types": ("InteractiveType", "form card scheduler customInteractive"),
    "CometChatGroupType": ("GroupType", "public private password"),
    "CometChatMemberScope": ("MemberScope", "admin moderator participant"),
    "CometChatUserStatus": ("UserStatus", "online offline"),
    "CometChatSubscriptionType": ("PresenceSubscription", "none allUsers roles friends"),
    "receipt type": ("ReceiptType", "delivered read deliveredToAll readByAll"),
    "moderation status": ("ModerationStatus", "pending approved disapproved unmoderated"),
    "reaction action": ("ReactionAction", "REACTION_ADDED REACTION_REMOVED"),
    "CometChatWSState": ("ConnectionStatus", "connected connecting disconnected featureThrottled"),
}  # fmt: skip


def errors_page() -> str:
    """Each code: its status, where it comes from, what to do."""
    from tailwire.server.rules import permissions
    from tailwire.wire.catalogue import CATALOGUE

    tables = {
        "GROUPS": permissions._GROUPS,
        "MESSAGES": permissions._MESSAGES,
        "USERS": permissions._USERS,
        "KEYS": permissions._KEYS,
    }
    lines = [
        "# Errors", "",
        "Made by `make reference`. The server answers `{\"error\": {\"code\", \"message\", \"details\"}}`; the SDK raises",
        "`CometChatException` with the same. `details` says what to do, by field where a field is wrong.", "",
        "| code | HTTP | what went wrong | what to do | comes from |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    sources = {p: p.read_text(encoding="utf-8") for p in SOURCE.rglob("*.py") if p.name != "catalogue.py"}
    for code, entry in sorted(CATALOGUE.items()):
        homes = sorted(str(p.relative_to(SOURCE)).removesuffix(".py") for p, t in sources.items() if f'"{code}"' in t)
        homes += [
            f"server/rules/permissions ({n})" for n, t in tables.items() if any(code in r.values() for r in t.values())
        ]
        status = str(entry.status) if entry.status else "SDK"
        lines.append(f"| `{code}` | {status} | {entry.message} | {entry.details} | {', '.join(homes[:3])} |")
    return "\n".join(lines) + "\n"


def compatibility_page() -> str:
    """Row by row: what is documented or was observed, what stands for it here, and the test."""
    lines = [(PAGES / "compatibility.head.md").read_text(encoding="utf-8").rstrip(), ""]
    lines += versions()
    lines += ["## The JavaScript SDK, unchanged", "", "| method or builder | test |", "| --- | --- |"]
    for name in JAVASCRIPT:
        test = showing(rf"CometChat\.{name}\b", ["interop"]) or js_helper(name)
        lines.append(f"| `{name}` | {cell(test)} |")
    lines += ["", "| callback | test |", "| --- | --- |"]
    for name in JS_CALLBACKS:
        test = showing(rf"\b{name}\b", ["interop"])
        lines.append(f"| `{name}` | {cell(test)} |")
    lines += ["", "## Frames", "", "| frame | test |", "| --- | --- |"]
    lines += [f"| {what} | {cell(test if test in ALL else '')} |" for what, test in FRAMES.items()]
    lines += ["", "## The React UI kit, unchanged", "", "| what | test |", "| --- | --- |"]
    for name in ALL:
        if name.startswith("interop/test_react"):
            kit = "6.5.6" if "kit_6" in name else "7.2.1"
            lines.append(f"| {kit}: {name.partition('::test_')[2].replace('_', ' ')} | {cell(name)} |")
    lines += [
        "",
        "## The REST API and the client API",
        "",
        "| operation | what it does | test |",
        "| --- | --- | --- |",
    ]
    for method, path, summary in operations():
        lines.append(f"| `{method} {path}` | {summary} | {cell(operation_test(method, path))} |")
    lines += ["", "## The Python SDK beside the documented one", ""]
    lines += ["| chapter | documented | ours | test |", "| --- | --- | --- | --- |"]
    from tailwire import ChatClient

    for chapter, names in SDK.items():
        for name in names.split():
            documented, _, ours = name.partition(">")
            ours = ours or snake(documented)
            if not inspect.isroutine(getattr(ChatClient, ours, None)):
                raise SystemExit(f"there is no ChatClient.{ours}")
            pattern = (
                rf"\.{ours}\(" if "istener" not in ours else rf"{ours}|_{ours.split('_')[1]}_listener|stage\.enter"
            )
            lines.append(f"| {chapter} | `{documented}` | `{ours}` | {cell(showing(pattern) or helper_test(ours))} |")
    helper = "update_message_with_reaction_info"
    lines.append(f"| Helper | `updateMessageWithReactionInfo` | `{helper}` | {cell(showing(rf'{helper}'))} |")
    for builder, ours in builder_methods():
        lines.append(f"| Builders | `{builder}` | `{ours}` | {cell(builder_test(builder, ours))} |")
    for documented, noted in CALLBACKS.items():
        pattern = (
            rf'all\("{noted}"\)'
            if noted not in ("status", "text")
            else rf"ears\.{ {'status': 'statuses', 'text': 'texts'}[noted] }"
        )
        lines.append(f"| Callbacks | `{documented}` | `{snake(documented)}` | {cell(showing(pattern))} |")
    from tailwire.server.config import Settings

    lines += ["", "## Limits", "", "| documented | setting | default | test |", "| --- | --- | --- | --- |"]
    limits = (TESTS / "spec" / "test_limits.py").read_text(encoding="utf-8")
    for documented, (settings, test) in LIMITS.items():
        for name in settings.split():
            home = f"spec/test_limits.py::test_{test}"
            shown = home if home in ALL and f"{name}=" in limits else ""
            lines.append(f"| {documented} | `{name}` | {getattr(Settings(), name):,} | {cell(shown)} |")
    lines += ["", "## Constants", "", "| documented | ours | values |", "| --- | --- | --- |"]
    for documented, (ours, values) in CONSTANTS.items():
        lines.append(f"| {documented} | `{ours}` | {' '.join(f'`{v}`' for v in values.split())} |")
    lines += ["", "## Left out, and why", "", "| what | why |", "| --- | --- |"]
    lines += [f"| {what} | {why} |" for what, why in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def versions() -> list[str]:
    """The versions of the JavaScript SDK that the scenarios run on, and what each does not have or do."""
    from interop.versions import MISSING, PACKAGES, UNABLE, VERSIONS, versions_for

    scenarios = [n.partition("::")[2] for n in ALL if n.startswith("interop/test_javascript_sdk.py::")]
    lines = ["## Versions of the JavaScript SDK", "", "| version | scenarios | what it does not have, or do |"]
    lines += ["| --- | --- | --- |"]
    for version in VERSIONS:
        ran = sum(version in versions_for(test) for test in scenarios)
        lacking = [", ".join(f"`{name}`" for name in sorted(MISSING[version])), *UNABLE.get(version, {}).values()]
        lines.append(f"| `{PACKAGES[version]}` | {ran} of {len(scenarios)} | {'; '.join(t for t in lacking if t)} |")
    return [*lines, ""]


def js_helper(name: str) -> str:
    """A test that uses what the stage of the interop tests does for each."""
    used = (TESTS / "interop" / "stage.py").read_text(encoding="utf-8") + (
        TESTS / "interop" / "test_javascript_sdk.py"
    ).read_text(encoding="utf-8")
    return showing("test_login_settings", ["interop"]) if f"CometChat.{name}" in used else ""


def helper_test(ours: str) -> str:
    """A test that uses what the stage does for each."""
    used = (TESTS / "harness.py").read_text(encoding="utf-8")
    return showing(r"stage\.enter") if f".{ours}(" in used else ""


def builder_methods() -> list[tuple[str, str]]:
    """Each public method of each request builder but `build`, under the class that has it."""
    import tailwire
    from tailwire.sdk.calls.message_requests import MessagesRequestBuilder

    found: dict[tuple[str, str], None] = {}
    named = [n for n in sorted(tailwire.__all__) if n.endswith("RequestBuilder") and n != "MessagesRequestBuilder"]
    for kind in (MessagesRequestBuilder, *(getattr(tailwire, n) for n in named)):
        for home in kind.__mro__:
            shown = kind if home.__name__ == "_Filters" else home
            for name, member in vars(home).items():
                if inspect.isroutine(member) and not name.startswith("_") and name != "build":
                    found["each of a list" if shown.__name__ == "_Builder" else shown.__name__, name] = None
    return list(found)


def builder_test(builder: str, method: str) -> str:
    """A test that uses a method of a builder."""
    for name, source in ALL.items():
        known = builder in source or builder == "each of a list"
        if name.split("/")[0] in ("spec", "property", "e2e", "unit") and known and f".{method}(" in source:
            return name
    return ""


def operations() -> list[tuple[str, str, str]]:
    """The operations of the server, as its description lists them."""
    import asyncio
    import tempfile

    from tailwire.server.app import assemble
    from tailwire.server.config import Settings
    from tailwire.server.ports.world import World

    async def listed() -> list[tuple[str, str, str]]:
        with tempfile.TemporaryDirectory() as folder:
            parts = await assemble(Settings(data=folder), World())
            api = parts.api
            found = [*api._fixed.values(), *(o for group in api._varying.values() for _, o in group)]
            await parts.webhooks.close()
            await parts.store.close()
            return sorted((o.path, o.method, o.summary) for o in found)

    return [(method, path, summary) for path, method, summary in asyncio.run(listed())]


def operation_test(method: str, path: str) -> str:
    """A test that asks an operation over HTTP, directly or through the SDK."""
    literal = re.sub(r"\\{\w+\\}", r"[^/\"?]+", re.escape(path))
    asked = showing(rf'"{method}",\s*f?"(http[^"]*)?{literal}[\"?]')
    if asked:
        return asked
    calls = [m for m, (verb, where) in sdk_calls().items() if verb == method and re.fullmatch(literal, where)]
    for ours in calls:
        test = showing(rf"\.{ours}\(") or helper_test(ours)
        if test:
            return test
    return showing(rf"[\"']{literal}[\"'?]") or "e2e/test_openapi.py::test_generated_requests_get_documented_answers"


def sdk_calls() -> dict[str, tuple[str, str]]:
    """Which operation a method of the SDK asks, where its source says so in one line."""
    found = {}
    for path in (SOURCE / "sdk" / "calls").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.AsyncFunctionDef):
                source = ast.get_source_segment(text, node) or ""
                where = re.search(r'"(GET|POST|PUT|DELETE|PATCH)",\s*f?"(/[^"]*)"', source)
                if where:
                    found[node.name] = (where[1], re.sub(r"\{[^}]*\}", "x", where[2]))
    return found


def pages() -> dict[Path, str]:
    """All pages."""
    return {PAGES / "errors.md": errors_page(), PAGES / "compatibility.md": compatibility_page()}


def main() -> int:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        missing = text.count("**none**")
        print(
            f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines"
            + (f", {missing} rows without a test" if missing else "")
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
