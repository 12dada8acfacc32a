"""The protocol that client and server share: entities, frames, error codes, server settings, and the JSON codec.

Pure: no I/O, no clock, no randomness.

Who may import it: all packages. It imports nothing of Tailwire.
Read more: docs/project/specification.md.
"""
