"""What else a change writes, on each store: counts of members, the role of users whose role is deleted, quotas of files."""

from __future__ import annotations

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.ports.records import Draft, GroupRow, UserRow
from tailwire.server.ports.standing import GroupAct
from tailwire.server.store.sql.issued_forms import OLD_FORMS_AT_ONCE


def anything(standing: object) -> None:
    pass


def draft(sender: str) -> Draft:
    return Draft(key_of(sender, "g", "group"), sender, "g", "group", "message", "text", b'{"data":{}}', 1, None)


async def test_members_of_a_group_are_counted_as_they_join_and_leave(open_store):
    store = await open_store()
    await store.groups.add(GroupRow("g", "G", "public", owner="alice", created_at=1, members_count=1))
    counts = [(await store.groups.get("g")).members_count]
    for uid in ("bob", "carol"):
        await store.members.add(GroupAct("g", uid, uid, anything), "participant", 1, lambda _, uid=uid: draft(uid))
        counts.append((await store.groups.get("g")).members_count)
    await store.members.remove(GroupAct("g", "bob", "bob", anything), lambda _: draft("bob"))
    counts.append((await store.groups.get("g")).members_count)
    assert counts == [1, 2, 3, 2]
    await store.close()


async def test_users_of_a_deleted_role_have_the_default_role(open_store):
    store = await open_store()
    for uid, role in (("alice", "child"), ("bob", "teacher")):
        await store.users.add(UserRow(uid, uid, created_at=1, role=role))
    await store.roles.remove("child")
    assert [(await store.users.get(uid)).role for uid in ("alice", "bob")] == ["default", "teacher"]
    await store.close()


async def test_files_of_a_user_are_stored_up_to_their_quota(open_store):
    store = await open_store()

    def row(name: str, size: int, at: int = 10) -> FileRow:
        return FileRow(name * 40, "alice", "a.txt", "text/plain", size, at)

    assert await store.files.add(row("a", 60), 100, 0) is FileResult.STORED
    assert await store.files.add(row("a", 1), 100, 0) is FileResult.EXISTS
    assert await store.files.add(row("b", 41), 100, 0) is FileResult.OVER_QUOTA
    assert await store.files.add(row("b", 40), 100, 0) is FileResult.STORED
    assert await store.files.add(row("c", 90, 20), 100, 11) is FileResult.STORED  # the others are older
    assert await store.files.add(row("d", 10**6, 20), 0, 0) is FileResult.STORED  # no quota
    await store.close()


async def test_files_of_a_user_who_was_deleted_are_not_stored(open_store):
    store = await open_store()
    row = FileRow("a" * 40, "alice", "a.txt", "text/plain", 60, 10)
    assert await store.files.add(row, 0, 0, by_user=True) is FileResult.NO_USER
    assert await store.files.get(row.name) is None
    await store.users.add(UserRow("alice", "Alice", created_at=1))
    assert await store.files.add(row, 0, 0, by_user=True) is FileResult.STORED
    await store.close()


class Forms:
    """The forms of one store; a form expires after 10 seconds, and a file may be accepted for 100."""

    def __init__(self, store):
        self.store = store

    async def issue(
        self, now: int, uid: str = "alice", *, quota: int = 100, most: int = 10, **sizes: int
    ) -> FormResult:
        forms = [FormRow(name * 40, uid, size, now) for name, size in sizes.items()]
        return await self.store.files.issue_forms(forms, FormLimits(quota, most, now - 100, now - 10))

    async def accept(self, now: int, name: str, size: int) -> FileResult:
        row = FileRow(name * 40, "alice", "a.txt", "text/plain", size, now)
        return await self.store.files.add(row, 100, now - 100)


async def test_open_upload_forms_and_files_of_a_user_together_stay_within_the_quota(open_store):
    store = await open_store()
    forms = Forms(store)
    assert await forms.issue(1000, a=60, b=41) is FormResult.OVER_QUOTA
    assert await forms.issue(1000, a=60) is FormResult.STORED  # nothing was stored before
    assert await forms.issue(1011, b=41) is FormResult.OVER_QUOTA  # the first may still be accepted
    assert await forms.issue(1011, "bob", c=100) is FormResult.STORED
    assert await forms.issue(1011, quota=0, d=10**12) is FormResult.STORED
    await store.files.close_form("d" * 40)
    assert await forms.accept(1012, "a", 30) is FileResult.STORED
    assert await forms.issue(1025, b=71) is FormResult.OVER_QUOTA
    assert await forms.issue(1025, b=70) is FormResult.STORED  # the file was smaller than its form
    assert await forms.issue(1113, e=31) is FormResult.OVER_QUOTA  # a day has passed, but not for the second form
    assert await forms.issue(1125, e=100) is FormResult.STORED
    rows = await store.database.rows("SELECT name FROM issued_forms")
    assert {row[0][0] for row in rows} == {"e"}  # what does not count is removed
    await store.close()


async def test_each_new_upload_form_removes_a_limited_number_of_old_ones(open_store):
    store = await open_store()
    count = OLD_FORMS_AT_ONCE + 20
    old = [FormRow(f"{n:040}", "bob", 1, 1000) for n in range(count)]
    assert await store.files.issue_forms(old, FormLimits(0, count, 900, 990)) is FormResult.STORED
    for name, left in (("x", 20), ("y", 0)):
        assert await Forms(store).issue(1100, quota=0, **{name: 1}) is FormResult.STORED
        ((found,),) = await store.database.rows("SELECT count(*) FROM issued_forms WHERE issued_at = 1000")
        assert found == left
    await store.close()


async def test_used_upload_form_counts_towards_the_quota_until_it_expires(open_store):
    store = await open_store()
    forms = Forms(store)
    assert await forms.issue(1000, a=60, b=20) is FormResult.STORED
    await store.files.close_form("a" * 40)
    assert await forms.accept(1001, "b", 1) is FileResult.STORED
    assert await forms.issue(1009, c=21) is FormResult.OVER_QUOTA
    assert await forms.issue(1009, c=20) is FormResult.STORED
    assert await forms.issue(1010, d=79) is FormResult.STORED  # of the file of b, and c, 21 bytes count
    await store.close()


async def test_form_of_a_file_is_found_by_its_name_also_after_it_was_used(open_store):
    store = await open_store()
    forms = Forms(store)
    assert not await store.files.has_form("a" * 40, 0)
    assert await forms.issue(1000, a=60, b=20) is FormResult.STORED
    assert await store.files.has_form("a" * 40, 999)
    assert not await store.files.has_form("a" * 40, 1000)
    assert not await store.files.has_form("c" * 40, 0)
    await store.files.close_form("a" * 40)
    assert await forms.accept(1001, "b", 1) is FileResult.STORED
    assert await store.files.has_form("a" * 40, 999)
    assert await store.files.has_form("b" * 40, 999)
    await store.close()


async def test_forms_without_limits_are_stored(open_store):
    store = await open_store()
    forms = Forms(store)
    assert await forms.issue(1000, quota=50, most=1, a=60) is FormResult.OVER_QUOTA
    assert await forms.issue(1000, quota=0, most=0, a=60, b=10**12) is FormResult.STORED
    assert await forms.issue(1000, quota=0, most=2, c=1) is FormResult.TOO_MANY
    assert await forms.issue(1000, quota=10, most=0, c=1) is FormResult.OVER_QUOTA
    assert await forms.issue(1000, quota=0, most=0, c=1) is FormResult.STORED
    await store.close()


async def test_user_has_a_limited_number_of_open_upload_forms(open_store):
    store = await open_store()
    forms = Forms(store)
    assert await forms.issue(1000, most=2, a=1, b=1) is FormResult.STORED
    assert await forms.issue(1000, most=2, c=1) is FormResult.TOO_MANY
    assert await forms.issue(1000, "bob", most=2, d=1) is FormResult.STORED
    assert await forms.accept(1001, "a", 1) is FileResult.STORED
    assert await forms.issue(1001, most=2, c=1) is FormResult.STORED
    assert await forms.issue(1100, most=2, e=1) is FormResult.STORED  # the second is a day old
    await store.close()


async def test_removed_file_leaves_only_its_name_which_is_refused_for_a_while(open_store):
    store = await open_store()
    first, second = (FileRow(name * 40, "alice", "a.txt", "text/plain", 60, 10) for name in "ab")

    async def remove(file: FileRow, now: int) -> None:
        await store.files.discard([file.name])
        assert [
            one.name for one in await store.files.condemn(never_used_added_until=0, last_used_until=0, limit=9)
        ] == [file.name]
        await store.files.remove([file.name], now, kept_seconds=100)

    assert await store.files.add(first) is FileResult.STORED
    await remove(first, 20)
    assert await store.files.get(first.name) is None
    assert await store.files.of_user("alice") == []
    assert await store.files.of_user("") == [FileRow(first.name, "", "", "text/plain", 0, 10)]
    assert await store.files.bytes_uploaded("alice", 0) == 0
    assert await store.files.condemn(never_used_added_until=999, last_used_until=999, limit=9) == []
    assert await store.files.unused_since() == (None, None)
    assert await store.files.add(first) is FileResult.EXISTS
    assert await store.files.add(second) is FileResult.STORED
    await remove(second, 120)
    assert await store.files.add(first) is FileResult.STORED  # the hundred seconds have passed
    assert await store.files.add(second) is FileResult.EXISTS
    await store.close()
