"""The continuity machine: what was missed, in which order it is handed over, and what the app is told of it. PURE.

Who may import it: sdk.client and everything right of it in the contract; testing.
Design page: connection.md, Continuity.
"""
