"""Bots: handlers for messages, replies that are streamed while they are written, and an orderly shutdown.

Who may import it: testing, cli, tui, and apps.
Read more: docs/bots.md.
"""

from tailwire.bot.bot import Bot as Bot
from tailwire.bot.bot import ErrorHandler as ErrorHandler
from tailwire.bot.context import Context as Context
from tailwire.bot.matching import Handler as Handler
