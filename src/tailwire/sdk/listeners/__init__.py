"""The events of an app: CometChat's listener classes, the typed events, and their registries.

Who may import it: dispatch, live, calls, cometchat and the modules of `sdk` itself; sync, bot, testing, lab, cli
and tui.
Read more: docs/sdk.md
"""
