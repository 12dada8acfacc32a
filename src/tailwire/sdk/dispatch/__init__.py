"""From frames to callbacks: decoding, catch-up, and the bounded queue from which the app is called.

Who may import it: sdk.calls, sdk.live, sdk.client, sync; admin for `history.id_of`.
Read more: docs/project/architecture.md
"""
