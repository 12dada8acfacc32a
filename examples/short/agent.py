"""An agent whose answers appear while they are written."""

import asyncio
import os

from tailwire import AppSettingsBuilder, TextMessage
from tailwire.bot import Bot, Context

settings = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480")).build()
bot = Bot(os.environ["APP_ID"], settings, uid="bob", auth_key=os.environ["AUTH_KEY"])


async def model(history):  # stands in for a language model
    texts = [m.text for m in history if isinstance(m, TextMessage) and m.sender.uid != bot.uid]
    for word in f"You said {len(texts)} things, at last: {texts[-1]}".split(" "):
        yield word + " "
        await asyncio.sleep(0.1)


@bot.on_message(direct=True)
async def answer(ctx: Context) -> None:
    async with ctx.typing():
        await ctx.stream(model(await ctx.history(30)))


@bot.on_error
async def sorry(ctx: Context, error: Exception) -> None:
    await ctx.reply("Sorry, that failed.")


if __name__ == "__main__":
    bot.run()
