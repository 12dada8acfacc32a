"""A backend: tokens (put your login before it) and a webhook. CHAT_HOOK_SECRET is `whsec_` and 32 bytes in Base64."""

import os

from flask import Flask, request

from tailwire import AppSettingsBuilder
from tailwire.admin import SignatureError, verify_webhook
from tailwire.sync import Admin

URL, SECRET, HERE = (os.environ[name] for name in ("CHAT_URL", "CHAT_HOOK_SECRET", "BACKEND_URL"))
admin = Admin(os.environ["APP_ID"], AppSettingsBuilder().override_client_host(URL).build(), os.environ["API_KEY"])
admin.webhooks.ensure("backend", url=f"{HERE}/chat-events", triggers=["message_sent"], secret=SECRET)
app = Flask(__name__)
app.register_error_handler(SignatureError, lambda error: (str(error), 401))
app.post("/chat-token")(lambda: {"token": admin.tokens.create(request.headers["x-user"]).token})


@app.post("/chat-events")
def chat_event():
    delivery = verify_webhook(SECRET, request.headers, request.get_data())
    print(delivery, request.json["data"]["message"]["sender"], flush=True)
    return ""  # 200: anything else counts as a failed delivery
