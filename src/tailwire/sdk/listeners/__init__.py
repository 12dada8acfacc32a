"""The events of an app: the documented listener classes, the typed events, and their registries.

Who may import it: dispatch, live, calls, client, cometchat, sync.
Read more: docs/sdk.md
"""
