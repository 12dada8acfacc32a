"""The terminal chat, `tailwire chat`: a chat with Textual over the SDK.

Who may import it: cli.
Read more: docs/terminal-chat.md.
"""
