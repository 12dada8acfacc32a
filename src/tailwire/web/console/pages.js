// The pages, in the order of the menu. A further page is one more entry, with its texts under its name in words.js.

import { Audit } from "./pages/audit.js";
import { Connections } from "./pages/connections.js";
import { Flags } from "./pages/flags.js";
import { Groups } from "./pages/groups.js";
import { Keys } from "./pages/keys.js";
import { Messages } from "./pages/messages.js";
import { Overview } from "./pages/overview.js";
import { Processes } from "./pages/processes.js";
import { Push } from "./pages/push.js";
import { Settings } from "./pages/settings.js";
import { Users } from "./pages/users.js";
import { Webhooks } from "./pages/webhooks.js";

export const PAGES = [
  { name: "overview", Page: Overview },
  { name: "connections", Page: Connections },
  { name: "users", Page: Users },
  { name: "groups", Page: Groups },
  { name: "messages", Page: Messages },
  { name: "flags", Page: Flags },
  { name: "webhooks", Page: Webhooks },
  { name: "push", Page: Push },
  { name: "keys", Page: Keys },
  { name: "audit", Page: Audit },
  { name: "settings", Page: Settings },
  { name: "processes", Page: Processes },
];
