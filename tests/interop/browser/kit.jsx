// A chat app of the kit's components, as small as it can be: the test shows this and that with window.show({…}).
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { CometChat } from "@cometchat/chat-sdk-javascript";
import {
  CometChatConversations, CometChatGroupMembers, CometChatGroups, CometChatMessageComposer, CometChatMessageHeader, CometChatMessageList,
  CometChatPinnedMessages, CometChatProvider, CometChatSavedMessages, CometChatSearch, CometChatThreadHeader, CometChatUIKit, CometChatUsers,
  UIKitSettingsBuilder,
} from "@cometchat/chat-uikit-react";
import "@cometchat/chat-uikit-react/styles";

window.CometChat = CometChat;
window.addEventListener("error", (e) => window.heard("uncaught", String(e.error?.stack || e.message)));
window.addEventListener("unhandledrejection", (e) => window.heard("uncaught", String(e.reason?.stack || JSON.stringify(e.reason))));

window.begin = async ({ appId, host, authKey, uid }) => {
  const settings = new UIKitSettingsBuilder().setAppId(appId).setRegion("us").setAuthKey(authKey).subscribePresenceForAllUsers()
    .setAdminHost(host + "/v3.0").setClientHost(host + "/v3.0").build();
  const known = await CometChatUIKit.init(settings);
  if (!known) await CometChatUIKit.login(uid);
  createRoot(document.getElementById("root")).render(<CometChatProvider><App /></CometChatProvider>);
};

const Side = ({ children, width = 360 }) => <div style={{ width, height: "100vh", borderRight: "1px solid #ddd", overflow: "hidden" }}>{children}</div>;

function Chat({ user, group, thread, setThread }) {
  const to = user ? { user } : { group };
  return (
    <div style={{ flex: 1, display: "flex", flexDirection: "column", height: "100vh", minWidth: 0 }}>
      {thread ? <CometChatThreadHeader parentMessage={thread} onClose={() => setThread(null)} /> : <CometChatMessageHeader {...to} />}
      <div style={{ flex: 1, minHeight: 0, overflow: "hidden" }}>
        <CometChatMessageList key={thread ? "t" + thread.getId() : "main"} {...to} {...(thread ? { parentMessageId: Number(thread.getId()) } : {})}
          onThreadRepliesClick={(m) => { window.heard("thread", String(m.getId())); setThread(m); }} />
      </div>
      <CometChatMessageComposer key={thread ? "ct" + thread.getId() : "cmain"} {...to} {...(thread ? { parentMessageId: Number(thread.getId()) } : {})} />
    </div>
  );
}

function App() {
  const [shown, setShown] = useState({});
  const [thread, setThread] = useState(null);
  useEffect(() => {
    window.show = async ({ uid, guid, side, search, threadOf }) => {
      setThread(threadOf ? await CometChat.getMessageDetails(threadOf) : null);
      setShown({ side, search, user: uid && (await CometChat.getUser(uid)), group: guid && (await CometChat.getGroup(guid)) });
    };
    window.heard("app", true);
  }, []);
  const opened = (c) => setShown((s) => ({ ...s, ...(c.getConversationType() === "user" ? { user: c.getConversationWith(), group: null } : { user: null, group: c.getConversationWith() }) }));
  const { user, group, side } = shown;
  const sides = {
    users: () => <CometChatUsers />, groups: () => <CometChatGroups />, members: () => <CometChatGroupMembers group={group} />,
    pinned: () => <CometChatPinnedMessages {...(user ? { user } : { group })} />, saved: () => <CometChatSavedMessages />,
    search: () => <CometChatSearch defaultSearchText={shown.search} hideBackButton />,
  };
  return (
    <div style={{ display: "flex", height: "100vh" }} key={side || "main"}>
      <Side><CometChatConversations onItemClick={opened} /></Side>
      {(user || group) && <Chat key={user ? user.getUid() : group.getGuid()} user={user} group={group} thread={thread} setThread={setThread} />}
      {side && <Side>{sides[side]()}</Side>}
    </div>
  );
}
