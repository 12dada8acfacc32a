"""The calls of the API by resource: a class for each, to whose public methods `ChatClient` forwards.

Who may import it: live, cometchat and the modules of `sdk` itself; admin; sync, testing and tui.
Read more: docs/sdk.md.
"""
