"""Catch-up: what was missed, in which order it is handed over, and which gaps are reported. Pure: no I/O, no clock.

Functions over a `CatchUp` record return commands, which `sdk.dispatch.incoming` carries out.
Who may import it: every other package of the SDK except connection; testing.
Read more: docs/project/specification.md (K1 to K4)
"""
