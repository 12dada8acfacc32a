"""Meaning, unit and limit of the fields of request bodies, for the OpenAPI document.

The key of a description is the name of the field, or `Type.field` where that name has several meanings. A limit that is
a setting is written as the setting's name and, in brackets, its default; a test compares these with the settings.
"""

from __future__ import annotations

from tailwire.server.actions.keys import MAX_APP_INFO_BYTES, MAX_KEYS
from tailwire.server.actions.notifications import MAX_MUTES_AT_ONCE
from tailwire.server.actions.reactions import MAX_ELEMENT_CHARACTERS, MAX_ELEMENTS
from tailwire.server.actions.uploads import MAX_NAME_CHARACTERS
from tailwire.server.actions.users import MAX_STATUS_CHARACTERS
from tailwire.server.actions.webhooks import MAX_CREDENTIAL_CHARACTERS, MAX_WEBHOOKS
from tailwire.server.rules.messages import MAX_MUID_CHARACTERS, MAX_TYPE_CHARACTERS
from tailwire.server.rules.push_tokens import MAX_PROVIDER_ID_CHARACTERS, MAX_TOKEN_CHARACTERS
from tailwire.server.rules.reasons import MAX_REMARK_CHARACTERS

_ID = "1 to 100 characters of a-z, 0-9, _ and -; capital letters become small"
_NAME = "1 to `max_name` (100) characters"
_URL = "http or https, at most `max_url` (3000) characters"
_PASSWORD = "at most `max_group_password` (100) characters"
_GROUP_TEXT = "at most `max_group_description` (255) characters"
_AT_ONCE = "`max_at_once` (25)"
_MESSAGE = "its id, as text or number"

BODY_FIELDS = {
    "accepted": f"The uids of the new friends, at most {_AT_ONCE}.",
    "addToConversations": "Whether to start a conversation with each.",
    "admins": "The uids of users who become admins. All lists together have at most " + _AT_ONCE + " users.",
    "anonymous": "Keep the user's messages without name and avatar.",
    "appInfo": f"A JSON object about the app, at most {MAX_APP_INFO_BYTES} bytes.",
    "avatar": f"The URL of a picture: {_URL}.",
    "blockedUids": f"The uids of users to block or unblock, at most {_AT_ONCE}.",
    "category": "The category of the message; `message` if it is absent.",
    "deviceToken": f"For APNs: the device token in hexadecimal digits, at most {MAX_TOKEN_CHARACTERS} characters.",
    "enabled": "Whether events are delivered.",
    "featuresToAllow": "Keys of features, with or without the prefix `u.`.",
    "featuresToRestrict": "Keys of features, with or without the prefix `u.`.",
    "fcmToken": f"For FCM: the registration token, at most {MAX_TOKEN_CHARACTERS} characters.",
    "groups": f"The guids of groups, at most {_AT_ONCE}.",
    "guid": f"The id of the group: {_ID}.",
    "guids": "The guids of groups that receive the message.",
    "icon": f"The URL of a picture: {_URL}.",
    "interactions": (
        f"Ids of elements that were used: 1 to {MAX_ELEMENTS}, each of 1 to {MAX_ELEMENT_CHARACTERS} "
        "characters."
    ),
    "link": f"The URL of a profile page: {_URL}.",
    "metadata": "A JSON object of the app, at most `max_metadata` (5120) bytes.",
    "mimeType": "The media type of the file, such as `image/png`.",
    "moderators": "The uids of users who become moderators.",
    "muid": (
        f"The client's id of the message, at most {MAX_MUID_CHARACTERS} characters: a retry with it is stored once."
    ),
    "multipleReceivers": "Several receivers instead of `receiver` (REST keys).",
    "name": f"The name to show: {_NAME}.",
    "parentId": f"The message whose thread it belongs to: {_MESSAGE}.",
    "parentMessageId": "As `parentId`.",
    "participants": "The uids of users who become participants.",
    "platform": "The platform of the device, at most 100 characters.",
    "providerId": (
        f"The name of the provider in the app, at most {MAX_PROVIDER_ID_CHARACTERS} characters; it is only "
        "shown."
    ),
    "pushToken": (
        "The token, whatever the platform; for `web_push` the subscription as JSON. At most "
        f"{MAX_TOKEN_CHARACTERS} characters."
    ),
    "quotedMessageId": f"The message that it quotes: {_MESSAGE}.",
    "receiver": "The uid or guid of the receiver.",
    "receiverType": "Whether `receiver` is a user or a group.",
    "role": "The id of a role that exists.",
    "statusMessage": f"A text that the user shows, at most {MAX_STATUS_CHARACTERS} characters.",
    "tags": "Tags of the app: at most `max_tags` (25), each of 1 to `max_tag` (100) characters.",
    "timezone": "The name of a time zone, such as `Europe/Berlin`, at most 64 characters.",
    "uid": f"The id of the user: {_ID}.",
    "uids": "The uids of users who receive the message.",
    "uidsToActivate": "The uids of the users.",
    "uidsToDeactivate": "The uids of the users.",
    "usersToBan": "The uids of users who are banned from the group.",
    "unset": "Names of fields to clear.",
    "userAgent": "The program of the device, at most 1000 characters.",
    "usePrivacyTemplate": "Whether notifications show who wrote, but not the text.",
    "voipToken": (
        f"For calls through APNs, in hexadecimal digits, at most {MAX_TOKEN_CHARACTERS} characters. Nothing is sent "
        "to it."
    ),
    "AllowFeatures.allowAll": "Allow all features; `featuresToAllow` is not needed then.",
    "ApiKeyFields.name": (
        f"The name of the key: {_NAME}. A change without it keeps the name. An app has at most {MAX_KEYS} "
        "keys."
    ),
    "ApiKeyFields.scope": "What the key may do: only log users in (`authOnly`, if it is absent), or everything.",
    "ChangePreferences.groupPreferences": "For groups, as in `NotificationPreferences`; absent ones keep their value.",
    "ChangePreferences.mutePreferences": (
        "When not to disturb, as in `NotificationPreferences`; hours and minutes as a number, 930 is 9:30."
    ),
    "ChangePreferences.oneOnOnePreferences": "For conversations with one user, as in `NotificationPreferences`.",
    "ChangeScope.scope": "The new scope of the member; `participant` if it is absent.",
    "CreateAuthToken.deviceId": "Accepted and ignored.",
    "CreateAuthToken.force": "Accepted and ignored: each call creates a token.",
    "CreateGroup.description": f"A text about the group, {_GROUP_TEXT}.",
    "CreateGroup.members": "Users who are added at once.",
    "CreateGroup.owner": "The uid of the owner (REST keys); a user owns what they create.",
    "CreateGroup.password": f"For the type `password`: the password with which users join, {_PASSWORD}.",
    "CreateGroup.type": "Who may join: everybody (the default), added users, or those who know the password.",
    "DeleteConversation.conversationWith": "Accepted and ignored: the path names the conversation.",
    "FileToUpload.fileId": "Accepted and ignored: the key in `files` is the id.",
    "FileToUpload.name": f"The name of the file; its last {MAX_NAME_CHARACTERS} characters are kept, without folders.",
    "FileToUpload.size": "The size in bytes, at most `max_file` (104857600).",
    "FlagMessage.id": "As `reasonId`.",
    "FlagMessage.reasonId": "Why the message is reported.",
    "FlagMessage.remark": f"A remark on the report, at most {MAX_REMARK_CHARACTERS} characters.",
    "JoinOrAddMembers.password": f"The password of the group, {_PASSWORD}.",
    "MarkConversation.messageId": f"The message: {_MESSAGE}; the newest one if it is absent.",
    "MuteConversations.conversations": f"1 to {MAX_MUTES_AT_ONCE} conversations.",
    "MuteConversation.id": "The uid of the other user, or the guid.",
    "MuteConversation.type": "Whether `id` is a user (`oneOnOne`, if it is absent) or a group.",
    "MuteConversation.until": "When it ends: milliseconds since 1970. Not needed to unmute.",
    "RegisterPushToken.authToken": "With a REST key: the auth token of the user.",
    "RegisterPushToken.platform": "Which provider reaches the device.",
    "RegisterPushToken.subscription": "For `web_push`: the subscription as an object, with `endpoint` and `keys`.",
    "RemoveFriends.friends": "The uids of the friends.",
    "RequestUpload.files": "The files by an id of the client: 1 to `max_files` (10).",
    "RequestUpload.receiver": "The uid or guid to which the files will be sent, if it is known.",
    "RoleBody.description": "A text about the role.",
    "RoleBody.name": f"The name of the role: {_NAME}.",
    "RoleBody.role": f"The id of a new role: {_ID}.",
    "RoleBody.settings": "Whom users with the role see and may write to.",
    "RoleBody.unset": "Names of fields to clear: settings, description, metadata.",
    "RoleSettings.listUsers": "The users whom they see: `all` or `friendsOnly`.",
    "RoleSettings.sendMessagesTo": "The users to whom they may write: `all` or `friendsOnly`.",
    "SendMessage.data": (
        "The content, a JSON object: `text` of a text message, `customData` of a custom one. At most "
        "`max_data` (10240) bytes."
    ),
    "SendMessage.type": (
        f"text, image, video, audio, file, or a type of the app of 1 to {MAX_TYPE_CHARACTERS} characters; `text` if it "
        "is absent."
    ),
    "TransferOwnership.owner": "The uid of the new owner, who must be a member.",
    "UpdateGroup.description": f"A text about the group, {_GROUP_TEXT}.",
    "UpdateGroup.owner": "The uid of the new owner, who must be a member.",
    "UpdateGroup.password": f"For the type `password`: the password with which users join, {_PASSWORD}.",
    "UpdateGroup.type": "Who may join: everybody, added users, or those who know the password.",
    "UpdateMe.deviceId": "Accepted and ignored.",
    "WebhookBody.id": f"The id of a new webhook: {_ID}; made if it is absent. An app has at most {MAX_WEBHOOKS}.",
    "WebhookBody.name": f"The name of the webhook: {_NAME}.",
    "WebhookBody.password": (
        f"The password of basic authentication, at most {MAX_CREDENTIAL_CHARACTERS} characters; it is stored "
        "encrypted."
    ),
    "WebhookBody.retryOnFailure": (
        "Whether a failed delivery is sent again: after 10 and 30 seconds, then after growing delays; true if "
        "it is absent."
    ),
    "WebhookBody.secret": (
        "The secret with which deliveries are signed: `whsec_` and 24 to 64 bytes in Base64; made if it is absent."
    ),
    "WebhookBody.triggers": "The events that are delivered, at least one.",
    "WebhookBody.username": f"The user of basic authentication, at most {MAX_CREDENTIAL_CHARACTERS} characters.",
    "WebhookBody.webhookUrl": f"The URL to which events are delivered: {_URL}.",
}  # fmt: skip
