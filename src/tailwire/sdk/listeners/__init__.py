"""What an app can hear: the documented listener classes, the typed events, and who has asked for what.

Who may import it: calls, client, cometchat.
Design page: api.md; facts-sdk.md, section 5.
"""
