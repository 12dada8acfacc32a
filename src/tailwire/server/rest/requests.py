"""The types of JSON request bodies. Each validates a body, describes it in OpenAPI and converts it for the actions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tailwire.server.actions.drafting import Outgoing
from tailwire.server.actions.groups import GroupChange, NewGroup
from tailwire.server.actions.keys import Device
from tailwire.server.actions.member_actions import MemberLists
from tailwire.server.actions.raw_json import absent, empty
from tailwire.server.actions.uploads import WantedFile
from tailwire.server.actions.users import UNSETTABLE_FIELDS, NewUser, UserChange
from tailwire.server.rules.groups import SCOPES, TYPES
from tailwire.server.rules.reasons import FLAG_REASONS


def one_of(*values: str) -> dict[str, Any]:
    """Return the JSON schema of an enumeration, for the OpenAPI document. It does not validate; the actions do."""
    return {"enum": list(values)}


def list_of(*values: str) -> dict[str, Any]:
    """Return the JSON schema of a list of values from an enumeration. Like `one_of`, it does not validate."""
    return {"items": {"type": "string", "enum": list(values)}}


Uid = Annotated[str, Meta(description="1 to 100 characters of a-z, 0-9, _ and -.", examples=["alice"])]
Guid = Annotated[str, Meta(description="1 to 100 characters of a-z, 0-9, _ and -.", examples=["team"])]
MessageId = Annotated[str | int, Meta(description="The id of a message.", examples=["42"])]
Url = Annotated[str, Meta(description="A URL with http or https.", examples=["https://example.com/picture.png"])]
Content = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={"type": "object"}, description="The content of a message.", examples=[{"text": "Hello"}]),
]
Muid = Annotated[str, Meta(description="The client's id of the message; a retry with it is stored once.")]
Metadata = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"}, description="A JSON object of the app.")]
Tags = Annotated[list[str], Meta(description="Tags of the app.", examples=[["support"]])]
Scope = Annotated[str, Meta(description="The scope of a member.", extra_json_schema=one_of(*SCOPES))]
GroupType = Annotated[str, Meta(description="Who may join.", extra_json_schema=one_of(*TYPES))]
Unset = Annotated[
    list[str], Meta(description="Names of fields to clear.", extra_json_schema=list_of(*UNSETTABLE_FIELDS))
]
ReceiverType = Annotated[str, Meta(extra_json_schema=one_of("user", "group"))]


# Users.


class CreateUser(msgspec.Struct, rename="camel"):
    """A user to create."""

    uid: Uid = ""
    name: Annotated[str, Meta(examples=["Alice"])] = ""
    avatar: Url | None = None
    link: Url | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: Metadata = msgspec.field(default_factory=absent)
    tags: Tags | None = None
    with_auth_token: Annotated[bool, Meta(description="Whether to create an auth token as well.")] = False

    def to_user(self) -> NewUser:
        """Return the user to create."""
        return NewUser(
            uid=self.uid, name=self.name, avatar=self.avatar, link=self.link, role=self.role,
            status_message=self.status_message, metadata=bytes(self.metadata), tags=self.tags,
        )  # fmt: skip


class UpdateUser(msgspec.Struct, rename="camel"):
    """The fields of a user to change; absent fields keep their value."""

    name: str | None = None
    avatar: Url | None = None
    link: Url | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: Metadata = msgspec.field(default_factory=absent)
    tags: Tags | None = None
    unset: Unset | None = None

    def to_change(self) -> UserChange:
        """Return the fields to change."""
        return UserChange(
            name=self.name, avatar=self.avatar, link=self.link, role=self.role, status_message=self.status_message,
            metadata=bytes(self.metadata), tags=self.tags, unset=tuple(self.unset or ()),
        )  # fmt: skip


class UpdateMe(UpdateUser, rename="camel"):
    """The fields of the logged-in user to change, and what their client reports about its device at login."""

    platform: str | None = None
    device_id: str | None = None
    app_info: Metadata = msgspec.field(default_factory=absent)


class DeleteUser(msgspec.Struct):
    """What to do with the messages of a user who is deleted. By default, they remain as they are."""

    permanent: Annotated[bool, Meta(description="Delete the user's messages, too.")] = False
    anonymous: Annotated[bool, Meta(description="Keep the user's messages without name and avatar.")] = False


class DeactivateUsers(msgspec.Struct, rename="camel"):
    """The users to deactivate."""

    uids_to_deactivate: list[Uid] = []


class ReactivateUsers(msgspec.Struct, rename="camel"):
    """The users to reactivate."""

    uids_to_activate: list[Uid] = []


class CountOnlineUsers(msgspec.Struct):
    """The groups whose online members are counted; without groups, all online users are counted."""

    groups: list[Guid] | None = None


# Auth tokens.


class UpdateAuthToken(msgspec.Struct, rename="camel"):
    """The device of an auth token."""

    platform: str | None = None
    user_agent: str | None = None
    app_info: Metadata = msgspec.field(default_factory=absent)

    def to_device(self) -> Device:
        """Return the device."""
        info = bytes(self.app_info)
        return Device(self.platform, self.user_agent, None if info == b"null" else info)


class CreateAuthToken(UpdateAuthToken, rename="camel"):
    """The device for which an auth token is created."""

    device_id: str | None = None
    force: bool = False


# Blocks and friends.


class BlockUsers(msgspec.Struct, rename="camel"):
    """The users to block or unblock."""

    blocked_uids: list[Uid] = []


class AddFriends(msgspec.Struct, rename="camel"):
    """The users to make friends with."""

    accepted: list[Uid] = []
    add_to_conversations: Annotated[bool, Meta(description="Whether to start a conversation with each.")] = False


class RemoveFriends(msgspec.Struct):
    """The friends to remove."""

    friends: list[Uid] = []


# Groups.


class AddMembers(msgspec.Struct, rename="camel"):
    """The users to add to a group, by scope, and the users to ban from it."""

    admins: list[Uid] = []
    moderators: list[Uid] = []
    participants: list[Uid] = []
    users_to_ban: list[Uid] = []

    def to_lists(self) -> MemberLists:
        """Return the uids to add, by scope, and the uids to ban."""
        return MemberLists(self.admins, self.moderators, self.participants, self.users_to_ban)


class JoinOrAddMembers(AddMembers, rename="camel"):
    """The password with which the calling user joins a group, or the users whom a REST key adds to it."""

    password: str | None = None


class CreateGroup(msgspec.Struct, rename="camel"):
    """A group to create."""

    guid: Guid = ""
    name: Annotated[str, Meta(examples=["The team"])] = ""
    type: GroupType = "public"
    password: str | None = None
    icon: Url | None = None
    description: str | None = None
    metadata: Metadata = msgspec.field(default_factory=absent)
    owner: Uid | None = None
    tags: Tags | None = None
    members: AddMembers | None = None

    def to_group(self) -> NewGroup:
        """Return the group to create."""
        return NewGroup(
            guid=self.guid, name=self.name, type=self.type, password=self.password, icon=self.icon,
            description=self.description, metadata=bytes(self.metadata), owner=self.owner, tags=self.tags,
            members=self.members.to_lists() if self.members is not None else None,
        )  # fmt: skip


class UpdateGroup(msgspec.Struct, rename="camel"):
    """The fields of a group to change; absent fields keep their value."""

    name: str | None = None
    type: GroupType | None = None
    password: str | None = None
    icon: Url | None = None
    description: str | None = None
    metadata: Metadata = msgspec.field(default_factory=absent)
    owner: Uid | None = None
    tags: Tags | None = None
    unset: Unset | None = None

    def to_change(self) -> GroupChange:
        """Return the fields to change."""
        return GroupChange(
            name=self.name, type=self.type, password=self.password, icon=self.icon, description=self.description,
            metadata=bytes(self.metadata), owner=self.owner, tags=self.tags, unset=tuple(self.unset or ()),
        )  # fmt: skip


class TransferOwnership(msgspec.Struct):
    """The member who becomes the owner of a group."""

    owner: Uid = ""


class ChangeScope(msgspec.Struct):
    """The new scope of a member."""

    scope: Scope = "participant"


# Messages.


class Receivers(msgspec.Struct):
    """Several receivers of one message."""

    uids: list[Uid] = []
    guids: list[Guid] = []


class SendMessage(msgspec.Struct, rename="camel"):
    """A message to send."""

    receiver: Annotated[str, Meta(description="A uid or guid.", examples=["bob"])] | None = None
    receiver_type: ReceiverType | None = None
    category: Annotated[str, Meta(extra_json_schema=one_of("message", "custom", "interactive"))] = "message"
    type: Annotated[str, Meta(description="text, image, video, audio, file, or a type of the app.")] = "text"
    data: Content = msgspec.field(default_factory=empty)
    muid: Muid | None = None
    tags: Tags | None = None
    parent_id: MessageId | None = None
    parent_message_id: MessageId | None = None
    quoted_message_id: MessageId | None = None
    multiple_receivers: Receivers | None = None

    def to_message(self, parent: str | int | None = None) -> Outgoing:
        """Return the message to send.

        Args:
            parent: the id of the message that it replies to; None for the one that the body names, if any.
        """
        return Outgoing(
            self.receiver,
            self.receiver_type,
            self.category,
            self.type,
            self.data,
            self.muid,
            self.tags,
            parent if parent is not None else self.parent_id or self.parent_message_id,
            self.quoted_message_id,
        )

    def receivers(self) -> list[tuple[str, str]]:
        """Return an (id, `user` or `group`) pair for each of `multiple_receivers`, without duplicates."""
        receivers = self.multiple_receivers
        if receivers is None:
            return []
        return list(
            dict.fromkeys([*((uid, "user") for uid in receivers.uids), *((guid, "group") for guid in receivers.guids)])
        )


class EditMessage(msgspec.Struct, rename="camel"):
    """The new content of a message."""

    data: Content = msgspec.field(default_factory=empty)
    tags: Tags | None = None


class DeleteMessage(msgspec.Struct):
    """Whether a deleted message also disappears from its conversation."""

    permanent: Annotated[bool, Meta(description="Remove its place in the conversation, too (REST keys).")] = False


class FlagMessage(msgspec.Struct, rename="camel"):
    """A report of a message. `id` is an older name of `reasonId`."""

    id: Annotated[str, Meta(extra_json_schema=one_of(*FLAG_REASONS))] = ""
    reason_id: Annotated[str, Meta(extra_json_schema=one_of(*FLAG_REASONS))] = ""
    remark: str | None = None


class MarkInteractions(msgspec.Struct):
    """The elements of an interactive message that the user has used."""

    interactions: list[str] = []


# Conversations.


class TagConversation(msgspec.Struct):
    """The tags of a conversation."""

    tags: Tags = []


class MarkConversation(msgspec.Struct, rename="camel"):
    """The message up to which a conversation is marked as read or delivered, or from which it is marked as unread.

    Without it, the whole conversation is marked.
    """

    message_id: MessageId | None = None


class DeleteConversation(msgspec.Struct, rename="camel"):
    """Which conversation to delete, and whether for all of its users."""

    conversation_with: str = ""
    delete_messages_permanently: Annotated[bool, Meta(description="Delete the messages for all users (REST keys).")] = (
        False
    )


# Files.


class FileToUpload(msgspec.Struct, rename="camel"):
    """A file to upload."""

    file_id: str = ""
    name: Annotated[str, Meta(examples=["picture.png"])] = ""
    size: Annotated[int, Meta(le=2**53 - 1, description="In bytes.")] = 0
    mime_type: Annotated[str, Meta(examples=["image/png"])] = ""


class RequestUpload(msgspec.Struct, rename="camel"):
    """The files to upload, by ids that the client chose, and the receiver of the message that they are for."""

    files: dict[str, FileToUpload] = {}
    receiver: str = ""
    receiver_type: ReceiverType = "user"

    def to_files(self) -> dict[str, WantedFile]:
        """Return the files to upload, by the client's ids."""
        return {key: WantedFile(file.name, file.size, file.mime_type) for key, file in self.files.items()}
