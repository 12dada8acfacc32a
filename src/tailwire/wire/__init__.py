"""What both sides say: entities, frames, error codes, server settings, and the codec between them and JSON. PURE.

Who may import it: everybody. It imports nothing of ours.
Design pages: wire.md, facts-sdk.md (objects), facts-rest.md (error codes).
"""
