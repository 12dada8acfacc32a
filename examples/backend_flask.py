"""A backend for a chat app: it issues auth tokens to its own users, and receives a webhook for each message.

Run it against `make serve`, with APP_ID and API_KEY (the REST API key) in the environment:
`flask --app backend_flask run --port 8500`. Then: `curl -X POST -u alice:wonderland localhost:8500/chat-token`.
A server with several processes (gunicorn) also needs WEBHOOK_SECRET, the same for all of them.
"""

import base64
import functools
import os
import secrets

from flask import Blueprint, Flask, abort, current_app, request

from tailwire import AppSettingsBuilder, CometChatException, TextMessage
from tailwire.admin import SignatureError, verify_webhook
from tailwire.sync import Admin

PASSWORDS = {"alice": "wonderland", "dora": "explorer"}  # stands in for your own login
SETTINGS = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480")).build()
HERE = os.environ.get("BACKEND_URL", "http://127.0.0.1:8500")
SECRET = os.environ.get("WEBHOOK_SECRET") or "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
routes = Blueprint("chat", __name__)


def create_app() -> Flask:
    app = Flask(__name__)
    app.logger.setLevel("INFO")
    app.register_blueprint(routes)
    with new_admin() as admin:  # closed before a server may fork its workers
        admin.webhooks.ensure("backend", url=f"{HERE}/chat-events", triggers=["message_sent"], secret=SECRET)
    return app


def new_admin() -> Admin:
    return Admin(os.environ["APP_ID"], SETTINGS, os.environ["API_KEY"], timeout=10)


@functools.cache
def chat() -> Admin:
    """The client of this process, made at the first request; all threads use it."""
    return new_admin()


def who() -> str:
    credentials = request.authorization
    name, password = (credentials.username or "", credentials.password or "") if credentials is not None else ("", "")
    right = PASSWORDS.get(name, "")
    if not right or not secrets.compare_digest(password.encode(), right.encode()):
        abort(401, "wrong name or password")
    return name


@routes.post("/chat-token")
def chat_token() -> dict[str, str]:
    """Return an auth token for the app's `auth_token_provider`. New users are created and welcomed."""
    name = who()
    try:
        token = chat().tokens.create(name)
    except CometChatException as e:
        if e.code != "ERR_UID_NOT_FOUND":
            raise
        chat().users.create(name, name=name.title())
        chat().messages.send(TextMessage(receiver=name, text=f"Welcome, {name.title()}!"))
        token = chat().tokens.create(name)
    return {"uid": name, "token": token.token}


@routes.post("/chat-events")
def chat_event() -> str:
    """Receive an event. Respond quickly, and do slow work later."""
    try:
        delivery = verify_webhook(SECRET, dict(request.headers), request.get_data())
    except SignatureError as e:
        abort(401, str(e))
    message = request.get_json()["data"]["message"]
    current_app.logger.info("%s: %s wrote message %s", delivery, message["sender"], message["id"])
    return ""  # 200: anything else counts as a failed delivery
