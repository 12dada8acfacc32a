// The same app as kit.jsx, of the components that the major version before has in the same form.
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { CometChat } from "@cometchat/chat-sdk-javascript";
import {
  CometChatConversations, CometChatGroupMembers, CometChatMessageComposer, CometChatMessageHeader, CometChatMessageList, CometChatUIKit,
  UIKitSettingsBuilder,
} from "kit-6-5-6";
import "kit-6-5-6/css-variables.css";

window.CometChat = CometChat;
window.addEventListener("error", (e) => window.heard("uncaught", String(e.error?.stack || e.message)));
// The headless browser plays none of the kit's sounds.
window.addEventListener("unhandledrejection", (e) => e.reason?.name !== "NotSupportedError" && window.heard("uncaught", String(e.reason?.stack || e.reason?.message || JSON.stringify(e.reason))));

window.begin = async ({ appId, host, authKey, uid }) => {
  const settings = new UIKitSettingsBuilder().setAppId(appId).setRegion("us").setAuthKey(authKey).subscribePresenceForAllUsers()
    .setAdminHost(host + "/v3.0").setClientHost(host + "/v3.0").build();
  await CometChatUIKit.init(settings);
  if (!(await CometChatUIKit.getLoggedinUser())) await CometChatUIKit.login(uid);
  createRoot(document.getElementById("root")).render(<App />);
};

function App() {
  const [shown, setShown] = useState({});
  useEffect(() => {
    window.show = async ({ uid, guid, members, thread }) => setShown({
      members, thread, user: uid && (await CometChat.getUser(uid)), group: guid && (await CometChat.getGroup(guid)) });
    window.heard("app", true);
  }, []);
  const opened = (c) => setShown(c.getConversationType() === "user" ? { user: c.getConversationWith() } : { group: c.getConversationWith() });
  const { user, group, thread } = shown;
  const to = { ...(user ? { user } : { group }), ...(thread ? { parentMessageId: Number(thread) } : {}) };
  return (
    <div style={{ display: "flex", height: "100vh" }}>
      <div style={{ width: 360, height: "100vh", overflow: "hidden" }}><CometChatConversations onItemClick={opened} /></div>
      {(user || group) && (
        <div key={`${user?.getUid()} ${group?.getGuid()} ${thread}`} style={{ flex: 1, display: "flex", flexDirection: "column", height: "100vh", minWidth: 0 }}>
          <CometChatMessageHeader {...(user ? { user } : { group })} />
          <div style={{ flex: 1, minHeight: 0, overflow: "hidden" }}><CometChatMessageList {...to} /></div>
          <CometChatMessageComposer {...to} />
        </div>
      )}
      {shown.members && <div style={{ width: 360, height: "100vh", overflow: "hidden" }}><CometChatGroupMembers group={group} /></div>}
    </div>
  );
}
