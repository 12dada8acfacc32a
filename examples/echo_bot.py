"""A bot that answers every message. Run it against `make serve` with APP_ID and AUTH_KEY in the environment."""

import os

from tailwire import AppSettingsBuilder, ConnectionChanged
from tailwire.bot import Bot, Context

settings = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480")).build()
bot = Bot(os.environ["APP_ID"], settings, uid="bob", auth_key=os.environ["AUTH_KEY"])


@bot.on_event(ConnectionChanged)
async def show_status(event: ConnectionChanged) -> None:
    print(f"bob is {event.status}; Ctrl+C ends it", flush=True)


@bot.on_message(direct=True)
async def answer(ctx: Context) -> None:
    await ctx.reply(f"You said: {ctx.text}")


if __name__ == "__main__":
    bot.run()
