"""Live lists of conversations and messages: they are kept up to date by events, and report each change to readers.

Who may import it: the modules of `sdk` itself, sync, tui, and apps through `tailwire`.
Read more: docs/live-lists.md.
"""
