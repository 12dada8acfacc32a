"""The catalogue of the error codes of Tailwire's server and SDK, each with its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One error code.

    Attributes:
        status: the HTTP status of the response; 0 for codes that only the SDK raises.
        message: what went wrong.
        details: what to do next.
    """

    status: int
    message: str
    details: str


CATALOGUE: dict[str, Entry] = {
    # Authentication and app.
    "AUTH_ERR_EMPTY_APPID": Entry(400, "The app id is missing.", "Send the app id in the appid header."),
    "AUTH_ERR_INVALID_APPID": Entry(404, "The app id is unknown.", "Check the app id and the host."),
    "AUTH_ERR_EMPTY_APIKEY": Entry(401, "The API key is missing.", "Send an API key in the apikey header."),
    "AUTH_ERR_APIKEY_NOT_FOUND": Entry(401, "The API key is unknown.", "Check the key, or create one."),
    "AUTH_ERR_NO_ACCESS": Entry(403, "The key does not permit this operation.", "Use a REST API key with full access."),
    "AUTH_ERR_EMPTY_AUTH_TOKEN": Entry(401, "The auth token is missing.", "Log in, then send the auth token."),
    "AUTH_ERR_AUTH_TOKEN_NOT_FOUND": Entry(
        401, "The auth token does not exist.", "Log in again to get a valid auth token."
    ),
    "ERR_AUTH_TOKEN_EXPIRED": Entry(401, "The auth token is no longer valid.", "Log in again."),
    # Objects.
    "ERR_UID_NOT_FOUND": Entry(404, "The user does not exist.", "Check the uid, or create the user first."),
    "ERR_GUID_NOT_FOUND": Entry(404, "The specified group does not exist.", "Please provide a valid group GUID."),
    "ERR_MESSAGE_ID_NOT_FOUND": Entry(404, "The message does not exist.", "Check the message id."),
    "ERR_POSITION_UNKNOWN": Entry(
        409, "The position is unknown: an older copy of the store was restored.", "Continue after details.known."
    ),
    "ERR_UID_ALREADY_EXISTS": Entry(409, "A user with this uid exists already.", "Choose another uid."),
    "ERR_GUID_ALREADY_EXISTS": Entry(409, "A group with this guid exists already.", "Choose another guid."),
    # Groups.
    "ERR_NOT_A_MEMBER": Entry(403, "The user is not a member of this group.", "Join the group before doing this."),
    "ERR_ALREADY_JOINED": Entry(409, "The user is a member of this group already.", "Nothing needs to be done."),
    "ERR_GROUP_JOIN_NOT_ALLOWED": Entry(403, "This group cannot be joined.", "Ask one of its admins to add you."),
    "ERR_EMPTY_GROUP_PASS": Entry(400, "The group's password is missing.", "Send the password of the group."),
    "ERR_WRONG_GROUP_PASS": Entry(403, "The group's password is wrong.", "Ask an admin of the group for it."),
    "ERR_OWNER_EXIT_FORBIDDEN": Entry(
        403, "The owner cannot leave the group.", "Transfer the ownership to another member first."
    ),
    "ERR_NO_VACANCY": Entry(403, "The group is full.", "Wait until a member leaves."),
    # Messages.
    "ERR_EMPTY_RECEIVER": Entry(400, "The receiver is missing.", "Name a uid or a guid as receiver."),
    "ERR_INVALID_RECEIVER_TYPE": Entry(400, "The receiver type is not supported.", "Use user or group."),
    "ERR_EMPTY_MESSAGE_TEXT": Entry(
        400, "The text message body is empty.", "Please provide a non-empty text for the message."
    ),
    "ERR_INVALID_MESSAGE_TEXT": Entry(400, "The text of the message is not a string.", "Send a string."),
    "ERR_INVALID_MESSAGE_CATEGORY": Entry(400, "The message category is not supported.", "Use message or custom."),
    "ERR_INVALID_MESSAGE_TYPE": Entry(
        400, "The message type provided is not supported.", "Supported types are text, image, video, audio, and file."
    ),
    "ERR_EMPTY_MESSAGE_FILE": Entry(
        400, "The media message has no attachment.", "Send the URL of at least one attachment."
    ),
    "ERR_EMPTY_CUSTOM_DATA": Entry(400, "The custom message has no data.", "Send an object as customData."),
    "ERR_INVALID_MESSAGE_DATA": Entry(400, "The data of the message is not valid.", "Send an object of at most 10 KB."),
    "ERR_MESSAGE_NOT_A_SENDER": Entry(403, "Only the sender may do this.", "Ask the sender of the message."),
    "ERR_MESSAGE_ACTION_NOT_ALLOWED": Entry(
        403, "Action messages and deleted messages cannot be changed.", "Choose another message."
    ),
    # Keys, roles, webhooks.
    "ERR_APIKEY_NOT_FOUND": Entry(404, "The API key does not exist.", "Check the key."),
    "ERR_APIKEY_NO_SELF_ACTION": Entry(403, "A key cannot change or delete itself.", "Use another REST API key."),
    "ERR_AUTH_TOKEN_NOT_FOUND": Entry(404, "The auth token does not exist.", "Check the token and the uid."),
    "ERR_ROLE_NOT_FOUND": Entry(404, "The role does not exist.", "Check the role, or create it first."),
    "ERR_ROLE_ALREADY_EXISTS": Entry(409, "A role of this name exists already.", "Choose another name."),
    "ERR_ROLE_DELETE_DENIED": Entry(403, "The default role cannot be deleted.", "Choose another role."),
    "ERR_FEATURE_RESTRICTED": Entry(
        403, "The user's role may not use this feature.", "Allow the feature for the role, or use another role."
    ),
    "ERR_WEBHOOK_NOT_FOUND": Entry(404, "The webhook does not exist.", "Check its id."),
    "ERR_DELIVERY_NOT_FOUND": Entry(
        404, "The delivery does not exist.", "List the webhook's deliveries. Successful ones are not listed."
    ),
    # Push notifications.
    "INVALID_PUSH_PLATFORM": Entry(400, "The platform of the push token is not known.", "Use one of PushPlatforms."),
    "INVALID_FCM_TOKEN": Entry(400, "The FCM token is not valid.", "Send the token that Firebase gave the app."),
    "INVALID_APNS_DEVICE_TOKEN": Entry(
        400, "The APNs device token is not valid.", "Send the device token in hexadecimal digits."
    ),
    "INVALID_APNS_VOIP_TOKEN": Entry(
        400, "The APNs VoIP token is not valid.", "Send the VoIP token in hexadecimal digits."
    ),
    "INVALID_WEB_PUSH_SUBSCRIPTION": Entry(
        400, "The subscription is not valid.", "Send the JSON of the browser's PushSubscription."
    ),
    "ERR_PROVIDER_NOT_FOUND": Entry(
        404, "The server does not send to this platform.", "Set up the provider: see docs/push.md."
    ),
    "ERR_NOTIFICATION_NOT_FOUND": Entry(
        404, "The notification does not exist.", "List the failed notifications. Others cannot be sent again."
    ),
    "ERR_TRIGGER_NOT_FOUND": Entry(400, "The trigger does not exist.", "Use one of the triggers in details."),
    "ERR_LIMIT_EXCEEDED": Entry(403, "There are too many already.", "Remove some; details names the limit."),
    # Between users.
    "ERR_CANNOT_BLOCK_SELF": Entry(400, "Users cannot block themselves.", "Name another user."),
    "ERR_BLOCKED_RECEIVER": Entry(403, "You have blocked this user.", "Unblock the user first."),
    "ERR_BLOCKED_SENDER": Entry(403, "This user does not accept messages from you.", "Choose another receiver."),
    "ERR_CANNOT_FORM_SELF_RELATION": Entry(400, "Users cannot be their own friends.", "Name another user."),
    "ERR_ALREADY_FRIEND": Entry(409, "The users are friends already.", "Nothing needs to be done."),
    "ERR_NOT_A_FRIEND": Entry(403, "The users are not friends.", "Make them friends first."),
    "ERR_FAILED_TO_ADD_FRIEND": Entry(403, "One of the users has too many friends.", "End a friendship first."),
    # Conversations.
    "ERR_CONVERSATION_NOT_FOUND": Entry(404, "The conversation does not exist.", "Check its id."),
    "ERR_CONVERSATION_NOT_ACCESSIBLE": Entry(
        404, "The user does not have this conversation yet.", "It begins with the first message."
    ),
    "ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED": Entry(403, "Too many conversations are pinned.", "Unpin one first."),
    # Groups.
    "ERR_BANNED_GROUPMEMBER": Entry(403, "The user is banned from this group.", "Ask a moderator to lift the ban."),
    "ERR_ALREADY_BANNED": Entry(409, "The user is banned already.", "Nothing needs to be done."),
    "ERR_NOT_A_BANNED_USER": Entry(404, "The user is not banned from this group.", "Check the uid."),
    "ERR_MESSAGE_REMOVED": Entry(
        410,
        "This message was stored once, and has since been removed for good.",
        "It is not stored again. To send its content once more, use a new muid.",
    ),
    "ERR_REQUEST_OUTDATED": Entry(
        409,
        "This request, or a newer one of this client about the same thing, was carried out already.",
        "Nothing was done; read the present state.",
    ),
    "ERR_SAME_SCOPE": Entry(409, "The member has this scope already.", "Nothing needs to be done."),
    "ERR_GROUP_NO_SELF_ACTION": Entry(
        403, "Users cannot do this to themselves.", "Leave the group instead, or ask another member."
    ),
    "ERR_GROUP_NO_CLEARANCE": Entry(403, "Only the owner of the group may do this.", "Ask the owner."),
    "ERR_GROUP_NO_ADMIN_SCOPE": Entry(403, "Only admins of the group may do this.", "Ask an admin."),
    "ERR_GROUP_NO_MODERATOR_SCOPE": Entry(403, "Only moderators and admins may do this.", "Ask one of them."),
    "ERR_GROUP_NO_SCOPE_CLEARANCE": Entry(
        403, "Your scope does not permit this.", "Ask a member with a higher scope, or the owner."
    ),
    # Messages.
    "ERR_EMPTY_MESSAGE_CATEGORY": Entry(400, "The message category is missing.", "Use message, custom or interactive."),
    "ERR_EMPTY_MESSAGE_TYPE": Entry(400, "The message type is missing.", "Use text, image, video, audio or file."),
    "ERR_INVALID_METADATA": Entry(400, "The metadata is not valid.", "Send an object."),
    "ERR_WRONG_MESSAGE_THREAD": Entry(
        400, "The parent message is in another conversation.", "Reply in the conversation of the parent."
    ),
    "ERR_MESSAGE_THREAD_NESTING": Entry(400, "A reply cannot begin a thread.", "Reply to the parent of the thread."),
    "ERR_WRONG_MESSAGE_THREAD_CATEGORY": Entry(400, "An action cannot begin a thread.", "Choose another message."),
    "ERR_PERMISSION_DENIED": Entry(403, "You are not allowed to do this.", "Ask a moderator or an admin."),
    "ERR_PINNED_MESSAGES_LIMIT_EXCEEDED": Entry(403, "Too many messages are pinned here.", "Unpin one first."),
    "ERR_SAVED_MESSAGES_LIMIT_EXCEEDED": Entry(403, "Too many messages are saved.", "Remove one first."),
    "ERR_REASON_NOT_FOUND": Entry(400, "The reason does not exist.", "Use one that GET /moderation/reasons lists."),
    # Files.
    "ERR_FILE_NOT_FOUND": Entry(404, "The file does not exist.", "Check its URL."),
    "ERR_FILE_COUNT_EXCEEDED": Entry(400, "There are too many files.", "Send fewer; details names the limit."),
    "ERR_FILE_SIZE_EXCEEDED": Entry(413, "The file is too large.", "Send a smaller one; details names the limit."),
    "ERR_UPLOAD_QUOTA_EXCEEDED": Entry(
        403, "The user's upload quota is exceeded.", "Try again later, or upload less; details names the limit."
    ),
    "ERR_INVALID_FILE_OBJECT": Entry(
        400, "The description of the file is missing or invalid.", "Give its name, size and type."
    ),
    "ERR_PRESIGNED_URL_EXPIRED": Entry(403, "The form has expired.", "Request a new form, and upload immediately."),
    # General.
    "ERR_BAD_REQUEST": Entry(400, "Failed to validate the data sent with the request.", "Correct what details names."),
    "ERR_HOST_NOT_ALLOWED": Entry(
        421, "This server is not reached under this host name.", "Use a name of the server's setting allowed_hosts."
    ),
    "ERR_CONNECTION_NOT_FOUND": Entry(
        404, "There is no such connection at this server.", "Use an id that GET /connections returns."
    ),
    "ERR_CONSOLE_LINK": Entry(
        401,
        "The link to the console is not valid: it was used already, or it is too old.",
        "Run `tailwire console` for a new one.",
    ),
    "ERR_CONSOLE_SESSION": Entry(
        401,
        "The request has no session of the console, or the session has ended.",
        "Run `tailwire console` for a new link.",
    ),
    "ERR_CONSOLE_ORIGIN": Entry(
        403, "The request does not come from the console's own page.", "Open the console, and use its page."
    ),
    "ERR_CHAT_ORIGIN": Entry(
        403, "The request does not come from the web chat's own page.", "Open /chat/ on this server, and use its page."
    ),
    "ERR_API_NOT_FOUND": Entry(404, "The path or method does not exist.", "Check the URL and the method."),
    "ERR_QUERY_TOO_BROAD": Entry(
        400,
        "The list could not be searched within the time that a read may take.",
        "Narrow the query: name a conversation, a range of ids (id with affix), or a time (fromTimestamp, updatedAt).",
    ),
    "ERR_TOO_LARGE": Entry(413, "The request is too large.", "Send less than the limit that details names."),
    "ERR_TOO_MANY_REQUESTS": Entry(429, "Too many requests.", "Wait for the number of seconds in Retry-After."),
    "ERR_MISSION_FAILED": Entry(
        500, "Something went wrong on the server.", "Try again. If the error persists, see the server's log."
    ),
    "RECEIPTS_TEMPORARILY_BLOCKED": Entry(
        503, "Receipts are temporarily not accepted.", "Wait until the status is connected again."
    ),
    "ERR_UNAVAILABLE": Entry(503, "The server is busy or stopping.", "Try again after Retry-After."),
    # The SDK's own.
    "ERR_CHAT_API_FAILURE": Entry(
        0, "SDK initialization failed.", "Please verify your App ID and region, then try again."
    ),
    "COMETCHAT_INITIALIZATION_NOT_DONE": Entry(
        0, "Please initialize CometChat before using the login method.", "Call init() and await it first."
    ),
    "LOGIN_IN_PROGRESS": Entry(0, "Please wait until the previous login request ends.", "Await the login in progress."),
    "USER_NOT_LOGGED_IN": Entry(
        0, "Please log in to CometChat before calling this method.", "Call login() and await it first."
    ),
    "USER_NOT_AUTHORISED": Entry(
        0, "The auth token is another user's.", "Return a token of the logged-in user from the token provider."
    ),
    "ERR_NOT_LOGGED_IN": Entry(
        0, "No active user session.", "Please log in before establishing a WebSocket connection."
    ),
    "NO_INTERNET_CONNECTION": Entry(
        0, "You do not have an internet connection.", "Check the network and the host, then try again."
    ),
    "LIVE_LIST_CLOSED": Entry(
        0, "The live list is closed: by close(), or because its user or client is gone.", "Open a new one."
    ),
    "OUTBOX_NOT_ENABLED": Entry(
        0, "The outbox is not enabled.", "Enable it: AppSettingsBuilder().keep_unsent_messages()."
    ),
    "OUTBOX_FULL": Entry(0, "Too many messages wait for a network.", "Wait until some are sent, or cancel some."),
    "OUTBOX_NOT_SAVED": Entry(
        0, "The message cannot be stored on this device.", "Free disk space, or use send_message()."
    ),
    "SESSION_IN_USE": Entry(
        0, "Another client uses the saved session.", "Close that client, or give this one its own session store."
    ),
    "SESSION_NOT_READ": Entry(
        0, "The saved session or the saved outbox cannot be read.", "Call again. If it persists, see details."
    ),
    "OUTBOX_CANCELLED": Entry(0, "The message was removed from the outbox.", "Queue it again to send it."),
    "NO_WEBSOCKET_CONNECTION": Entry(
        0,
        "Connection to WebSocket server is broken. Please retry after some time.",
        "Wait until the status is connected.",
    ),
    "PING_NOT_ANSWERED": Entry(
        0,
        "The connection is open, but the answer to ping() was not read in time.",
        "While the app's listeners are busy, nothing is read: let them return sooner. Or ping again.",
    ),
    "WS_CONNECTION_FAIL": Entry(0, "The WebSocket connection failed.", "The SDK keeps trying and notifies listeners."),
    "ERR_APP_IN_BACKGROUND": Entry(
        0,
        "The app is in the background.",
        "In auto mode the connection is closed in the background and reopened in the foreground.",
    ),
    "ERR_CLIENT_CLOSED": Entry(0, "The client is closed.", "Create a new ChatClient."),
    "ERR_WRONG_EVENT_LOOP": Entry(
        0,
        "The client belongs to another event loop.",
        "From other threads use tailwire.sync.Client. Or call it on the loop that ran init(): with "
        "asyncio.run_coroutine_threadsafe(call, loop), or, if it is not async, loop.call_soon_threadsafe(function).",
    ),
    "REQUEST_IN_PROGRESS": Entry(0, "A fetch of this request is in progress.", "Await it before the next fetch."),
    "NOT_ENOUGH_PARAMETERS": Entry(
        0, "fetch_next() needs a message id, a timestamp or updated_after.", "Set one of them in the builder."
    ),
    "ERROR_NON_POSITIVE_LIMIT": Entry(0, "The limit is not positive.", "Use a number from 1 to 100."),
    "ERROR_LIMIT_EXCEEDED": Entry(0, "The limit is too large.", "Use a number from 1 to 100."),
    "INVALID_CONVERSATION_TYPE": Entry(0, "The conversation type is not valid.", "Use user or group."),
    "CONVERSATION_NOT_FOUND": Entry(0, "The message does not name its conversation.", "Use get_conversation()."),
    "INVALID_REASON_ID": Entry(0, "The reason does not exist.", "Use one of get_flag_reasons()."),
    "INVALID_SCOPE_VALUE": Entry(0, "The scope is not valid.", "Use admin, moderator or participant."),
    "INVALID_STATUS_VALUE": Entry(0, "The status is not valid.", "Use online or offline."),
    "INVALID_DIRECTION_VALUE": Entry(0, "The direction is not valid.", "Use blockedByMe, hasBlockedMe or both."),
    "EMPTY_USERS_LIST": Entry(0, "The list of users is empty.", "Name at least one uid."),
    "ERROR_INVALID_MESSAGE_ID": Entry(
        0, "The message id is invalid.", "Use the id of a message that was sent or received: a number above 0."
    ),
    "ERR_INVALID_ARGUMENT": Entry(0, "An argument is not valid.", "See details."),
    "ERR_ANSWER_TOO_LARGE": Entry(
        0, "The server's response is too large.", "Request fewer entries at once, with a smaller limit."
    ),
    "ERR_BAD_ERROR_RESPONSE": Entry(0, "The server's response is invalid.", "Check that the host is a chat server."),
}


def entry(code: str) -> Entry:
    """Return the entry of a code.

    Raises:
        KeyError: the code is not in the catalogue.
    """
    return CATALOGUE[code]
