"""Bots: handlers for messages, answers that grow while they are written, and a program that ends in order.

Who may import it: testing, cli, tui, and apps. Inside, `bot` knows `context`, what a handler is given, and
`scheduler`, who works on what.
Design page: docs/bots.md.
"""

from tailwire.bot.bot import Bot as Bot
from tailwire.bot.context import Context as Context
