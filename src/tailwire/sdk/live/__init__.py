"""Live lists: conversations, and the messages of one, kept as the server has them. The rules are pure.

Who may import it: client.
Design page: docs/live-lists.md.
"""
