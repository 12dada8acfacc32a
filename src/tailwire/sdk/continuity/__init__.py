"""Catch-up: what was missed, in which order it is handed over, and which gaps are reported. Pure: no I/O, no clock.

The functions change a `CatchUp` object and return commands, which `sdk.dispatch.incoming` carries out.
Who may import it: every other package of the SDK except connection; testing.
Read more: docs/project/specification.md, whose rules the docstrings name by their codes (K1 to K4, S27)
"""
