"""A backend for a chat app: it issues auth tokens to its own users, and receives a webhook for each message.

Run it against `make serve`, with APP_ID and API_KEY (the REST API key) in the environment:
`uvicorn backend_fastapi:app --port 8500`. Then: `curl -X POST -u alice:wonderland localhost:8500/chat-token`.
"""

import base64
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from tailwire import AppSettingsBuilder, CometChatException, TextMessage
from tailwire.admin import Admin, SignatureError, verify_webhook

PASSWORDS = {"alice": "wonderland", "dora": "explorer"}  # stands in for your own login
SETTINGS = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480")).build()
HERE = os.environ.get("BACKEND_URL", "http://127.0.0.1:8500")
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
log = logging.getLogger("uvicorn.error")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with Admin(os.environ["APP_ID"], SETTINGS, os.environ["API_KEY"]) as app.state.chat:
        hooks = app.state.chat.webhooks
        await hooks.ensure("backend", url=f"{HERE}/chat-events", triggers=["message_sent"], secret=SECRET)
        yield


app = FastAPI(lifespan=lifespan)


def who(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    right = PASSWORDS.get(credentials.username, "")
    if not right or not secrets.compare_digest(credentials.password.encode(), right.encode()):
        raise HTTPException(401, "wrong name or password")
    return credentials.username


@app.post("/chat-token")
async def chat_token(name: Annotated[str, Depends(who)]) -> dict[str, str]:
    """Return an auth token for the app's `auth_token_provider`. New users are created and welcomed."""
    chat: Admin = app.state.chat
    try:
        token = await chat.tokens.create(name)
    except CometChatException as e:
        if e.code != "ERR_UID_NOT_FOUND":
            raise
        await chat.users.create(name, name=name.title())
        await chat.messages.send(TextMessage(receiver=name, text=f"Welcome, {name.title()}!"))
        token = await chat.tokens.create(name)
    return {"uid": name, "token": token.token}


@app.post("/chat-events")
async def chat_event(request: Request) -> None:
    """Receive an event. Respond quickly, and do slow work later."""
    body = await request.body()
    try:
        delivery = verify_webhook(SECRET, request.headers, body)
    except SignatureError as e:
        raise HTTPException(401, str(e)) from e
    message = (await request.json())["data"]["message"]
    log.info("%s: %s wrote message %s", delivery, message["sender"], message["id"])
