"""The connection machine decides when a socket exists and which status listeners receive. Pure: no I/O, clock or tasks.

`machine.step` takes a state and an input and returns a state and commands; `sdk.io.driver` carries out the commands.
Who may import it: every other package of the SDK; sync, testing, lab, cli and tui.
Read more: docs/project/specification.md, whose rules the docstrings name by their codes, such as T4 or C22 (C1 to C23:
every situation in both modes); docs/connection-states.md
"""
