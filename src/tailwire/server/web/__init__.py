"""The pages in a browser: serves the files of `tailwire.web`, with a strict policy.

Who may import it: app, and commands.
Read more: docs/console.md
"""
