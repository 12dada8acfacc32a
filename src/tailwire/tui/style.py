"""The CSS of the chat. It uses only the colors of the current theme, so that it fits every theme."""

from __future__ import annotations

STYLE = """
Screen { background: $background; }
#all { height: 1fr; }
#side { width: 30; height: 1fr; background: $background; border-right: solid $panel; padding: 0 0 0 1; }
#right { width: 1fr; }
#panes { height: 1fr; }
#main { width: 3fr; }
#thread { width: 2fr; border-left: solid $panel; }
#banner { height: auto; max-height: 3; padding: 0 1; background: $warning-muted; color: $text-warning; display: none; }
#keys { height: 1; padding: 0 1; background: $panel; }

.-narrow #side { width: 22; }

ConversationPanel > .panel--name { color: $foreground; }
ConversationPanel > .panel--unread { color: $text-accent; text-style: bold; }
ConversationPanel > .panel--last { color: $foreground-darken-3; }
ConversationPanel > .panel--typing { color: $text-success; text-style: italic; }
ConversationPanel > .panel--online { color: $success; }
ConversationPanel > .panel--offline { color: $foreground-darken-3; }
ConversationPanel > .panel--opened { background: $surface; }
ConversationPanel > .panel--cursor { background: $primary-muted; }

History { background: $background; padding: 0 0 0 1; }
History > .history--text { color: $foreground; background: $background; }
History > .history--time { color: $text-muted; background: $background; }
History > .history--separator { color: $text-disabled; background: $background; }
History > .history--you { color: $text-primary; background: $background; text-style: bold; }
History > .history--action { color: $text-muted; background: $background; text-style: italic; }
History > .history--deleted { color: $text-disabled; background: $background; text-style: italic; }
History > .history--pending { color: $text-disabled; background: $background; text-style: italic; }
History > .history--failed { color: $text-error; background: $background; }
History > .history--quote { color: $text-muted; background: $background; }
History > .history--quote-bar { color: $primary; background: $background; }
History > .history--file { color: $text-secondary; background: $background; text-style: underline; }
History > .history--thread { color: $text-accent; background: $background; }
History > .history--unread { color: $text-accent; background: $background; text-style: bold; }
History > .history--reaction { color: $text-muted; background: $background; }
History > .history--my-reaction { color: $text-accent; background: $background; }
History > .history--read { color: $text-success; background: $background; }
History > .history--selected { background: $primary-muted; }
History > .history--name0 { color: $text-accent; background: $background; text-style: bold; }
History > .history--name1 { color: $text-success; background: $background; text-style: bold; }
History > .history--name2 { color: $text-warning; background: $background; text-style: bold; }
History > .history--name3 { color: $text-secondary; background: $background; text-style: bold; }
History > .history--name4 { color: $text-error; background: $background; text-style: bold; }
History > .history--name5 { color: $foreground; background: $background; text-style: bold; }
"""
