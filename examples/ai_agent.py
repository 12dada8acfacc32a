"""An agent whose answers appear while they are written, like those of a language model.

Run it against `make serve` with APP_ID and AUTH_KEY in the environment: `python examples/ai_agent.py`. It logs in as
bob, or as CHAT_USER. Then ask it something: `python examples/ask.py bob`.

It reads the conversation from the server and keeps no state of its own. `/new` starts a new topic. A reader can stop an
answer; the text so far is kept. If it is killed while it answers, it answers after its restart. In groups it answers
messages that mention it.
"""

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator

from tailwire import AppSettingsBuilder, BaseMessage, ConnectionChanged, TextMessage
from tailwire.bot import Bot, Context

UID = os.environ.get("CHAT_USER", "bob")
settings = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480")).build()
bot = Bot(os.environ["APP_ID"], settings, uid=UID, auth_key=os.environ["AUTH_KEY"])


async def model(prompt: list[dict[str, str]]) -> AsyncIterator[str]:
    """Yield an answer in parts. This stands in for a language model: replace it with a call of yours.

    With most clients of models that is:

        stream = await client.chat.completions.create(model="…", messages=prompt, stream=True)
        async for chunk in stream:
            yield chunk.choices[0].delta.content or ""
    """
    questions = [turn["content"] for turn in prompt if turn["role"] == "user"]
    answer = f"You asked: “{questions[-1]}”.\nA model would answer that; I show how an answer arrives, word by word.\n"
    if len(questions) > 1:
        answer += f"It is your question number {len(questions)}. The first one was: “{questions[0]}”."
    else:
        answer += "Ask me something else, and I will still know what this was."
    await asyncio.sleep(0.3)  # time to read the prompt
    for word in re.findall(r"\S+\s*", answer):
        yield word
        await asyncio.sleep(random.uniform(0.01, 0.08))


def prompt_of(history: list[BaseMessage]) -> list[dict[str, str]]:
    """Return the conversation since the last `/new`, in the format of chat models."""
    turns: list[dict[str, str]] = []
    for message in history:
        if not isinstance(message, TextMessage):
            continue
        if message.text.strip() == "/new":
            turns.clear()
        else:
            role = "assistant" if message.sender.uid == UID else "user"
            turns.append({"role": role, "content": message.text.strip()})
    return turns


@bot.on_event(ConnectionChanged)
async def show_status(event: ConnectionChanged) -> None:
    print(f"{UID} is {event.status}; Ctrl+C ends it", flush=True)


@bot.command("new")
async def begin_anew(ctx: Context) -> None:
    await ctx.react("👍")  # prompt_of() looks for the command itself


@bot.on_message(direct=True)
@bot.on_message(mentioned=True)
async def answer(ctx: Context) -> None:
    prompt = prompt_of(await ctx.history(40))
    if not ctx.text.strip():
        await ctx.reply("I read text only.")
        return
    async with ctx.typing():  # until the first word, and for clients that do not show drafts
        await ctx.stream(model(prompt))


@bot.on_error
async def sorry(ctx: Context, error: Exception) -> None:
    await ctx.reply("Sorry, I could not answer that. Please ask again.")


if __name__ == "__main__":
    bot.run()
