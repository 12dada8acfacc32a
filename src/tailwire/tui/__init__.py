"""The terminal chat, `tailwire chat`: a chat client made with Textual and the SDK.

Who may import it: cli.
Read more: docs/terminal-chat.md.
"""
