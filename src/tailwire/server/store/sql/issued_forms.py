"""Forms with which users upload files to the bucket themselves, and their part in the users' daily quota.

A form is open for a day, or until its file was accepted or refused. The size of open forms counts for the quota. In
addition, the sizes of all forms that have not expired must be within the quota, even if they were used: until then each
of them can upload its bytes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow

COLUMN_NAMES = FormRow._fields
_OPEN = """uid = :uid AND open = 1 AND issued_at > CAST(:day_ago AS BIGINT)
AND NOT EXISTS (SELECT 1 FROM files WHERE files.name = issued_forms.name)"""
_SUM = "(SELECT coalesce(sum(size), 0) FROM"
_TOO_MANY_CONDITION = f"""(SELECT count(*) FROM issued_forms WHERE {_OPEN}) + CAST(:count AS BIGINT)
> CAST(:most AS BIGINT)"""
_OVER_QUOTA_CONDITION = f"""({_SUM} files WHERE uid = :uid AND created_at > CAST(:day_ago AS BIGINT))
+ {_SUM} issued_forms WHERE {_OPEN}) + CAST(:size AS BIGINT) > CAST(:quota AS BIGINT)
OR {_SUM} issued_forms WHERE uid = :uid AND issued_at > CAST(:expired AS BIGINT)) + CAST(:size AS BIGINT)
> CAST(:quota AS BIGINT))"""
# Only some are removed at once, so that the first request after a quiet time delays no other write. The others no
# longer count either.
OLD_FORMS_AT_ONCE = 200
REMOVE_OLD_SQL = f"""DELETE FROM issued_forms WHERE name IN
(SELECT name FROM issued_forms WHERE issued_at <= CAST(:day_ago AS BIGINT) LIMIT {OLD_FORMS_AT_ONCE})"""
HAS_FORM_SQL = "SELECT 1 FROM issued_forms WHERE name = ? AND issued_at > ?"
CLOSE_SQL = "UPDATE issued_forms SET open = 0 WHERE name = ?"


def refusing_conditions(limits: FormLimits) -> list[tuple[str, FormResult]]:
    """Return the conditions under which new forms are not stored, in SQL, each with the result; none without limits."""
    conditions = []
    if limits.most:
        conditions.append((_TOO_MANY_CONDITION, FormResult.TOO_MANY))
    if limits.quota:
        conditions.append((_OVER_QUOTA_CONDITION, FormResult.OVER_QUOTA))
    return conditions


def values_of(forms: Sequence[FormRow], limits: FormLimits) -> dict[str, Any]:
    """Return the values of the `refusing_conditions` for new forms.

    Args:
        forms: at least one form; all are of one user.
    """
    return {
        "uid": forms[0].uid, "size": sum(form.size for form in forms), "count": len(forms), "quota": limits.quota,
        "most": limits.most, "day_ago": limits.day_ago, "expired": limits.expired_before,
    }  # fmt: skip
