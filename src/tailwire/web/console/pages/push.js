// Push notifications: those that wait, were sent or were given up, with what they say, to send again; and the devices.

import { html, useState } from "../shared/html.js";
import { get, request } from "../api.js";
import { exact, moment } from "../format.js";
import { byCursor, path } from "../listing.js";
import { Badge, Choice, Confirm, Dialog, Facts, Failure, Head, Json, Search, Text, useRequest, When } from "../parts.js";
import { Table } from "../table.js";
import { say } from "../words.js";

const DELIVERIES = "/notifications/push/v1/deliveries";
const FAILED = "/notifications/push/v1/failed";
const TIMES = { waiting: "queuedAt", sent: "sentAt", failed: "failedAt" };
const WHICH = [["failed", say("failed")], ["waiting", say("waiting")], ["sent", say("sent")], ["devices", say("pushDevices")]];

const user = { name: "uid", title: say("user"), cell: (one) => html`<${Text}>${one.uid}<//>`, sort: (one) => one.uid };
const columns = (status) => [
  user,
  { name: "provider", title: say("provider"), cell: (one) => html`<${Badge}>${one.provider}<//>`, sort: (one) => one.provider },
  { name: "at", title: say(status), cell: (one) => html`<${When} at=${one[TIMES[status]]} />`, sort: (one) => one[TIMES[status]] ?? 0 },
  { name: "message", title: say("message"), cell: (one) => html`<code>${one.messageId}</code>`, wide: true },
  { name: "attempts", title: say("attempts"), cell: (one) => exact(one.attempts), sort: (one) => one.attempts, numeric: true },
  { name: "problem", title: say("problem"), cell: (one) => html`<span class="line"><${Text}>${one.problem ?? ""}<//></span>`, wide: true },
];
const DEVICES = [
  user,
  { name: "platform", title: say("platform"), cell: (one) => html`<${Badge}>${one.platform}<//>`, sort: (one) => one.platform },
  { name: "id", title: "id", cell: (one) => html`<code class="text line">${one.id}</code>`, wide: true },
  { name: "token", title: say("token"), cell: (one) => html`<code>${one.pushToken}</code>`, wide: true },
  { name: "provider", title: say("providerId"), cell: (one) => html`<${Text}>${one.providerId ?? ""}<//>`, wide: true },
  { name: "updated", title: say("registered"), cell: (one) => html`<${When} at=${one.updatedAt} />`, sort: (one) => one.updatedAt },
];

function Opened({ one, onClose, onDone }) {
  const [found, error, again] = useRequest(() => get(path("notifications", "push", "v1", "deliveries", one.id)), one.id);
  const shown = found ?? one;
  return html`<${Dialog} title=${say("notification", { id: one.id })} onClose=${onClose} wide>
    ${error ? html`<${Failure} error=${error} again=${again} />` : null}
    <${Facts} facts=${[[say("user"), html`<${Text}>${shown.uid}<//>`], [say("provider"), shown.provider], [say("device"), html`<code class="text">${shown.device}</code>`],
      [say("message"), html`<code>${shown.messageId}</code>`], [say("attempts"), exact(shown.attempts)], [say("queued"), moment(shown.queuedAt)],
      [say("lastTry"), moment(shown.lastTryAt)], [say("nextTry"), moment(shown.nextTryAt)], [say("sent"), moment(shown.sentAt)],
      [say("problem"), shown.problem && html`<${Text}>${shown.problem}<//>`]]} />
    <h3>${say("body")}</h3>
    ${found ? (found.content ? html`<${Json} value=${found.content} />` : html`<p class="faint">${say("notWanted")}</p>`) : html`<p role="status">${error ? "" : say("loading")}</p>`}
    ${shown.status === "failed" ? html`<footer><${Confirm} label=${say("sendAgain")} tone="plain" question=${say("sendPushAgainQuestion")} act=${() => request("POST", `${FAILED}/${one.id}/retry`)} done=${onDone} /></footer>` : null}
  <//>`;
}

export function Push() {
  const [which, setWhich] = useState("failed");
  const [uid, setUid] = useState("");
  const [opened, setOpened] = useState(null);
  const [turn, setTurn] = useState(0);
  const done = () => { setOpened(null); setTurn(turn + 1); };
  const devices = which === "devices";
  return html`<${Head} title=${say("push")}>
      <${Choice} label=${say("which")} value=${which} onChoose=${setWhich} options=${WHICH} />
      <${Search} label=${say("searchUid")} value=${uid} onSearch=${setUid} />
      ${which === "failed" ? html`<${Confirm} label=${say("sendAllAgain")} tone="plain" question=${say("sendAllPushAgainQuestion")} act=${() => request("POST", `${FAILED}/retry`)} done=${done} />` : null}
      <button class="button" onClick=${() => setTurn(turn + 1)}>${say("refresh")}</button>
    <//>
    <p class="hint">${say("pushHint")}</p>
    ${devices
      ? html`<${Table} key="devices" label=${say("pushDevices")} columns=${DEVICES} load=${byCursor("/notifications/push/v1/devices", { uid })} changes=${[uid]} refresh=${turn} keyOf=${(one) => one.id} empty=${say("noPushDevices")} />`
      : html`<${Table} key=${which} label=${say("push")} columns=${columns(which)} load=${byCursor(DELIVERIES, { status: which, uid })} changes=${[which, uid]} refresh=${turn}
        keyOf=${(one) => one.id} onOpen=${setOpened} empty=${say("noNotifications")} />`}
    ${opened ? html`<${Opened} key=${opened.id} one=${opened} onClose=${() => setOpened(null)} onDone=${done} />` : null}`;
}
