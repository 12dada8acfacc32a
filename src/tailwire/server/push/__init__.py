"""Sends push notifications that the store has queued, through Web Push, APNs and FCM.

Who may import it: app, shutdown, and testing.
Read more: docs/push.md
"""
