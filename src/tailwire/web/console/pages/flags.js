// The messages that users have reported.

import { html, useState } from "../shared/html.js";
import { byCursor } from "../listing.js";
import { Badge, Head, Text, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";
import { OpenedMessage, summary } from "./messages.js";

const REMOVED = { deletedAt: 1 };  // a message that was removed for good while the page was read
const COLUMNS = [
  { name: "message", title: say("message"), cell: (one) => html`<span class="line">${summary(one.message ?? REMOVED)}</span>` },
  { name: "reason", title: say("reason"), cell: (one) => html`<${Badge} tone="warn"><${Text}>${one.reasonId}<//><//>`, sort: (one) => one.reasonId ?? "" },
  { name: "from", title: say("from"), cell: (one) => html`<${Text}>${one.message?.sender ?? ""}<//>`, sort: (one) => one.message?.sender ?? "" },
  { name: "by", title: say("reportedBy"), cell: (one) => html`<${Text}>${one.flaggedBy}<//>`, sort: (one) => one.flaggedBy, wide: true },
  { name: "remark", title: say("remark"), cell: (one) => html`<span class="line"><${Text}>${one.remark ?? ""}<//></span>`, wide: true },
  { name: "at", title: say("reported"), cell: (one) => html`<${When} at=${one.flaggedAt} />`, sort: (one) => one.flaggedAt, wide: true },
];

export function Flags() {
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  return html`<${Head} title=${say("flags")} />
    <${Table} label=${say("flags")} columns=${COLUMNS} load=${byCursor("/moderation/flagged-messages")} refresh=${turn}
      keyOf=${(one) => `${one.messageId} ${one.flaggedBy}`} onOpen=${setOpened} empty=${say("noFlags")} />
    ${opened?.message ? html`<${OpenedMessage} key=${opened.messageId} one=${opened.message} onClose=${() => setOpened(null)} onChanged=${() => { setOpened(null); setTurn(turn + 1); }} />` : null}`;
}
