"""From frames to callbacks: decoding, the continuity machine's effects, and the bounded queue that calls the app.

Who may import it: calls, client.
Design page: connection.md (Continuity; K4).
"""
