"""The reasons that a user can give when they report a message."""

from __future__ import annotations

FLAG_REASONS: dict[str, tuple[str, str]] = {
    "spam": ("Spam", "Unwanted, repeated or commercial content."),
    "harassment": ("Harassment", "Insults, threats or bullying."),
    "hate": ("Hate", "Attacks on people for what they are."),
    "sexual": ("Sexual content", "Nudity or sexual content that is not wanted here."),
    "violence": ("Violence", "Violence, or a call for it."),
    "scam": ("Scam", "Deception, or an attempt to get money or secrets."),
    "other": ("Something else", "Say what in the remark."),
}
"""The name and the description of each reason, by its id."""

MAX_REMARK_CHARACTERS = 1000
"""The largest length of the remark that a user may add to a report."""


def listed_reasons() -> list[dict[str, str]]:
    """Return the reasons as clients receive them: a dict with `id`, `name` and `description` for each."""
    return [{"id": key, "name": name, "description": text} for key, (name, text) in FLAG_REASONS.items()]
