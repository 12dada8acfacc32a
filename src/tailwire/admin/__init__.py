"""Administration client for backends: users, tokens, groups, messages, roles, webhooks and API keys.

```python
from tailwire.admin import Admin

async with Admin(app_id, settings, api_key) as admin:
    await admin.users.create("dora", name="Dora")
    token = await admin.tokens.create("dora")
```

Who may import it: sync, cli, and apps. It uses the SDK's HTTP client and imports nothing of the server.
Read more: docs/backend.md.
"""

from __future__ import annotations

from tailwire.admin.client import Admin
from tailwire.admin.listing import Listing
from tailwire.admin.records import (
    ApiKey,
    AuthToken,
    Delivery,
    RestrictedFeature,
    Role,
    Trigger,
    Webhook,
    WebhookState,
)
from tailwire.admin.signatures import SignatureError, verify_webhook

__all__ = [
    "Admin",
    "ApiKey",
    "AuthToken",
    "Delivery",
    "Listing",
    "RestrictedFeature",
    "Role",
    "SignatureError",
    "Trigger",
    "Webhook",
    "WebhookState",
    "verify_webhook",
]
