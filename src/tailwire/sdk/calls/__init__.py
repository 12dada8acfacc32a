"""The calls of the API by resource: a class for each, to whose public methods `ChatClient` forwards.

Who may import it: live, all_calls, assembly, methods, client, cometchat; admin for its checks and pages.
Read more: docs/sdk.md.
"""
