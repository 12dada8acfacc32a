"""The connection machine: when a socket exists, and what the app is told of it. PURE.

Who may import it: sdk.io (the driver) and everything right of it in the contract; testing; cli (replay).
Design page: connection.md. It opens nothing, never sleeps, reads no clock, awaits nothing.
"""
