"""A bot that answers every message. Run it against `make serve` with APP_ID and AUTH_KEY in the environment."""

import os

from tailwire import AppSettingsBuilder, ChatClient, MessageReceived, TextMessage, run

settings = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480")).build()


async def main() -> None:
    async with ChatClient(os.environ["APP_ID"], settings) as chat:
        await chat.login("bob", auth_key=os.environ["AUTH_KEY"])
        async for event in chat.events():
            if isinstance(event, MessageReceived) and isinstance(event.message, TextMessage):
                message = event.message
                await chat.send_message(TextMessage(receiver=message.sender.uid, text=f"You said: {message.text}"))


if __name__ == "__main__":
    run(main())
