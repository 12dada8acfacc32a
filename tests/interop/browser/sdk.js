import { CometChat } from "@cometchat/chat-sdk-javascript";

window.CometChat = CometChat;
