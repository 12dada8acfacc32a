"""Live lists: conversations and messages that are kept up to date, with the changes between their states.

Who may import it: the modules of `sdk` itself, sync, tui, and apps through `tailwire`.
Read more: docs/live-lists.md.
"""
