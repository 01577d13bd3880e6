/** The frame around every screen. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Approvals } from "./card/Approvals.js";
import { AutomationDetail } from "./automations/Detail.js";
import { AutomationList } from "./automations/List.js";
import { RunDetail } from "./automations/Run.js";
import { RunList } from "./automations/RunList.js";
import { Chat } from "./chat/Chat.js";
import { Inbox } from "./inbox/Inbox.js";
import { Item } from "./inbox/Item.js";
import { announcement } from "./lib/announce.js";
import { isShownAt, markItems, otherUnread, unread, unreadCount, watchInbox } from "./lib/inbox.js";
import { pendingCount, watchLists } from "./lib/lists.js";
import { followLink } from "./lib/links.js";
import { online } from "./lib/network.js";
import { notifyOf } from "./lib/notify.js";
import { route } from "./lib/router.js";
import { claims, linkFault, token, workspace } from "./lib/session.js";
import { isAsking } from "./lib/tabs.js";
import { Destinations } from "./settings/Destinations.js";
import { Models } from "./settings/Models.js";
import { Notices } from "./settings/Notices.js";
import { Sidebar, sidebarOpen } from "./Sidebar.js";
import { SignIn } from "./SignIn.js";
import { Icon } from "./ui/Icon.js";

export function App() {
  if (!token.value) return isAsking.value ? <main class="signin" aria-busy="true" /> : <SignIn />;
  return <Signed key={`${claims.value?.user} ${workspace.value}`} />;
}

function Signed() {
  useEffect(watchLists, []);
  useEffect(() => watchInbox(notifyOf), []);
  useSeen();
  useFaultOnce();
  useLayoutEffect(followLink, [route.value]);
  const pending = pendingCount();
  const news = unreadCount.value;
  const waiting = waitingCount(pending, otherUnread.value);
  useEffect(() => {
    document.title = waiting ? `(${waiting}) Rota` : "Rota";
    return () => void (document.title = "Rota");
  }, [waiting]);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        Skip to the content
      </a>
      <header class="top">
        <button type="button" class="bare" aria-label="Menu" aria-expanded={sidebarOpen.value} onClick={() => (sidebarOpen.value = true)}>
          <Icon name="menu" />
        </button>
        <span class="brand">Rota</span>
        <span class="top-counts">
          {news > 0 && <a class="count news" href="#/inbox" aria-label={`${news} unread`}><Icon name="mail" />{news}</a>}
          {pending && <a class="count" href="#/approvals" aria-label={`${pending} approvals wait`}><Icon name="inbox" />{pending}</a>}
        </span>
      </header>
      <Sidebar />
      <main id="main" tabIndex={-1}>
        {!online.value && (
          <p class="offline" role="status"><Icon name="warning" />No connection. This page continues as soon as there is one.</p>
        )}
        {linkFault.value && (
          <p class="offline" role="alert">
            <Icon name="warning" />{linkFault.value} You stay signed in as {claims.value?.user}.
            <button type="button" class="link" onClick={() => (linkFault.value = "")}>Close</button>
          </p>
        )}
        <Screen />
      </main>
      <div class="unseen" aria-live="polite" role="status" id="announcer">{announcement.value}</div>
    </div>
  );
}

/** What is wrong with a link stands until the next screen is opened. */
function useFaultOnce(): void {
  const told = useRef("");
  // Before the link is followed, which opens a screen itself.
  useLayoutEffect(() => {
    if (told.current && told.current === linkFault.value) linkFault.value = "";
    told.current = linkFault.value;
  }, [route.value]);
}

/** Pending approvals and unread items together; empty for none. */
function waitingCount(pending: string, news: number): string {
  const count = (Number.parseInt(pending, 10) || 0) + news;
  return count ? `${count}${pending.endsWith("+") ? "+" : ""}` : "";
}

/** Marks what is on the screen as read, while somebody can see it. */
function useSeen(): void {
  const [news, here] = [unread.value, route.value];
  useEffect(() => {
    const see = () => {
      if (document.visibilityState !== "visible") return;
      const names = unread.value.filter((each) => isShownAt(each, here)).map((each) => each.name);
      // What fails is marked when the inbox is read again.
      if (names.length) void markItems({ names }).catch(() => undefined);
    };
    see();
    document.addEventListener("visibilitychange", see);
    return () => document.removeEventListener("visibilitychange", see);
  }, [news, here]);
}

function Screen() {
  const [area, id, sub, subId] = route.value;
  const first = useRef(true);
  // With the new screen, not after it: what one opens or chooses there must not lose the focus again.
  useLayoutEffect(() => {
    sidebarOpen.value = false;
    // A reader of the screen starts at the new content, not where the old link was.
    if (!first.current && area !== "chat") document.getElementById("main")?.focus({ preventScroll: true });
    first.current = false;
  }, [area, id, subId]);
  switch (area) {
    case "approvals":
      return <Approvals id={id} />;
    case "automations":
      if (id && sub === "runs" && subId) return <RunDetail key={subId} automation={id} run={subId} />;
      return id ? <AutomationDetail key={id} id={id} /> : <AutomationList />;
    case "runs":
      return <RunList />;
    case "inbox":
      return id ? <Item key={id} id={id} /> : <Inbox />;
    case "destinations":
      return <Destinations id={id} />;
    case "models":
      return <Models />;
    case "notices":
      return <Notices />;
    case "workspaces": // a link that is followed first
      return null;
    default:
      return <Chat id={area === "chat" ? (id ?? "") : ""} />;
  }
}
