"""What an app can ask for, by resource: a class per resource, whose public methods `ChatClient` forwards to.

Who may import it: live, all_calls, assembly, methods, client, cometchat; admin for its checks and pages.
Read more: docs/sdk.md.
"""
