// The service worker of the web chat: it shows what the server pushes, and opens the conversation when a person clicks.
// It answers no requests of pages and keeps nothing. Who is notified of what is the server's decision.

const ANSWER_MS = 1000;

self.addEventListener("push", (event) => event.waitUntil(pushed(event.data.json())));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(clicked(event.notification.data));
});

async function pushed(message) {
  if (message.action === "deleted") {
    for (const one of await self.registration.getNotifications({ tag: message.tag })) one.close();
    return;
  }
  const { title, body, tag, silent } = message;
  await self.registration.showNotification(title, { body, tag, silent: Boolean(silent), dir: "auto", data: message });
}

// The page of the user who is notified shows the conversation; a new page, if there is none.
async function clicked({ conversationId, receiverType = "" }) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const ours = pages.filter((page) => page.url.startsWith(self.registration.scope));
  const taken = await Promise.all(ours.map((page) => takes(page, { conversationId, receiverType })));
  const page = ours[taken.indexOf(true)];
  if (page) await page.focus();
  else await self.clients.openWindow(`./#${new URLSearchParams({ conversationId, receiverType })}`);
}

// Ask a page to show a conversation. A page that is frozen, or has another user, does not take it.
function takes(page, conversation) {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => done(data === true);
    setTimeout(() => done(false), ANSWER_MS);
    page.postMessage({ show: conversation }, [port2]);
  });
}
