"""What an app can ask for, by resource; each module holds the part of `ChatClient` that does so.

Who may import it: client, cometchat.
Design page: api.md; facts-sdk.md, sections 6 to 9.
"""
