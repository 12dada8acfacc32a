"""Administration client for backends: users, tokens, groups, messages, roles, webhooks and API keys.

```python
from tailwire.admin import Admin

async with Admin(app_id, settings, api_key) as admin:
    await admin.users.create("dora", name="Dora")
    token = await admin.tokens.create("dora")
```

Who may import it: sync, testing, cli, tui, and apps. It uses the SDK's HTTP client and imports nothing of the server.
Read more: docs/backend.md.
"""

from __future__ import annotations

from tailwire.admin.client import Admin
from tailwire.admin.groups import Groups, GroupTypeName, MemberScope
from tailwire.admin.keys import Keys, KeyScope
from tailwire.admin.listing import Listing
from tailwire.admin.messages import Messages
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
from tailwire.admin.roles import Audience, Roles
from tailwire.admin.signatures import SignatureError, verify_webhook
from tailwire.admin.users import Tokens, Users
from tailwire.admin.webhooks import Webhooks

__all__ = [
    "Admin",
    "ApiKey",
    "Audience",
    "AuthToken",
    "Delivery",
    "GroupTypeName",
    "Groups",
    "KeyScope",
    "Keys",
    "Listing",
    "MemberScope",
    "Messages",
    "RestrictedFeature",
    "Role",
    "Roles",
    "SignatureError",
    "Tokens",
    "Trigger",
    "Users",
    "Webhook",
    "WebhookState",
    "Webhooks",
    "verify_webhook",
]
