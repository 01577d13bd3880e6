/** The navigation and the list of threads; a drawer on a narrow screen. */
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { describeUsers } from "./automations/users.js";
import { UNTITLED } from "./chat/models.js";
import type { Thread } from "./gen/rota/chat/v1/chat_pb.js";
import { unreadCount, unreadThreads } from "./lib/inbox.js";
import { threads, pendingApprovals, pendingCount } from "./lib/lists.js";
import { notifyChange } from "./lib/network.js";
import { type Problem, problemOf } from "./lib/problem.js";
import { chat, idOf, requestId } from "./lib/rpc.js";
import { go, href, route } from "./lib/router.js";
import { claims, openWorkspace, signOut, workspace } from "./lib/session.js";
import { dateOf, day } from "./lib/time.js";
import { ForEditors } from "./ui/ForEditors.js";
import { Icon, type IconName } from "./ui/Icon.js";
import { More } from "./ui/More.js";
import { Skeleton } from "./ui/parts.js";

export const sidebarOpen = signal(false);

export function Sidebar() {
  const open = sidebarOpen.value;
  const drawer = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    if (open) drawer.current?.querySelector<HTMLElement>("a")?.focus();
  }, [open]);
  const close = () => (sidebarOpen.value = false);
  return (
    <>
      {open && <div class="veil" onClick={close} />}
      <aside ref={drawer} class={open ? "side open" : "side"} onKeyDown={(event) => event.key === "Escape" && close()}>
        <div class="side-head">
          <span class="brand">Rota</span>
          <button type="button" class="bare only-narrow" aria-label="Close the menu" onClick={close}><Icon name="cross" /></button>
        </div>
        <nav aria-label="Main">
          <ForEditors><a class="new" href={href("chat")} onClick={close}><Icon name="plus" />New chat</a></ForEditors>
          <Place to="inbox" icon="mail" label="Inbox" count={unreadCount.value ? String(unreadCount.value) : ""} word="unread" />
          <Place to="approvals" icon="inbox" label="Approvals" count={pendingCount()} />
          <Place to="automations" icon="clock" label="Automations" />
          <Place to="runs" icon="play" label="Runs" />
          <Place to="destinations" icon="send" label="Destinations" />
          <Place to="models" icon="spark" label="Models" />
          <Place to="notices" icon="bell" label="Notices" />
        </nav>
        <nav class="threads" aria-label="Threads">
          <h2>Threads</h2>
          <Threads />
        </nav>
        <div class="side-foot">
          <Person />
          <button type="button" class="bare" onClick={() => signOut()} aria-label="Sign out" title="Sign out"><Icon name="leave" /></button>
        </div>
      </aside>
    </>
  );
}

/** Who is signed in, and where; the workspace can be changed when the token has several. */
function Person() {
  const { user, workspaces } = claims.value ?? { user: "", workspaces: [] };
  const here = idOf(workspace.value);
  if (workspaces.length < 2) return <span class="clip" title={here}>{user}</span>;
  return (
    <label class="person">
      <span class="clip">{user}</span>
      <select aria-label="Workspace" value={here} onChange={(event) => openWorkspace(event.currentTarget.value)}>
        {workspaces.map((each) => <option key={each} value={each}>{each}</option>)}
      </select>
    </label>
  );
}

function Place(props: { to: string; icon: IconName; label: string; count?: string; word?: string }) {
  const here = route.value[0] === props.to;
  return (
    <a href={href(props.to)} aria-current={here ? "page" : undefined}>
      <Icon name={props.icon} />
      {props.label}
      {!!props.count && <span class="count" aria-label={`${props.count} ${props.word ?? "waiting"}`}>{props.count}</span>}
    </a>
  );
}

function Threads() {
  const list = threads.items.value;
  if (!list) return threads.problem.value ? <p class="faint">They can't be shown now.</p> : <Skeleton rows={4} what="Loading threads" />;
  if (!list.length && !threads.hasMore.value) return <p class="faint">None yet.</p>;
  const current = route.value[0] === "chat" ? route.value[1] : undefined;
  return (
    <>
      <ul>
        {list.map((thread) => (
          <Line key={thread.name} thread={thread} here={idOf(thread.name) === current} />
        ))}
      </ul>
      <More list={threads} what="threads" />
    </>
  );
}

function Line({ thread, here }: { thread: Thread; here: boolean }) {
  const [sure, ask] = useState(false);
  const [warning, warn] = useState("");
  const [problem, blame] = useState<Problem>();
  const asks = pendingApprovals.items.value?.some((each) => each.turn.startsWith(`${thread.name}/`));
  const title = thread.displayName || UNTITLED;
  const date = dateOf(thread.updateTime);
  const remove = async () => {
    if (!sure) {
      ask(true);
      warn("");
      warn(await describeUsers(thread.name, "without this thread, results come to the inbox."));
      return;
    }
    try {
      await chat.deleteThread({ name: thread.name, requestId: requestId() });
      if (here) go("chat");
    } catch (thrown) {
      blame(problemOf(thrown));
    } finally {
      ask(false);
      notifyChange();
    }
  };
  return (
    <li>
      <a href={href("chat", idOf(thread.name))} aria-current={here ? "page" : undefined} title={date && `${title} · ${day(date)}`}>
        <span class="line">{title}</span>
        {asks ? <span class="dot wait" title="Waits for approval"><span class="unseen">waits for approval</span></span>
          : unreadThreads.value.has(thread.name) ? <span class="dot news" title="Unread"><span class="unseen">unread</span></span>
          : thread.openTurn ? <span class="dot busy" title="At work"><span class="unseen">at work</span></span> : null}
      </a>
      <ForEditors><button type="button" class={sure ? "bare sure" : "bare"} onBlur={() => ask(false)} onClick={() => void remove()} aria-label={sure ? `Really delete ${title}` : `Delete ${title}`}>
        {sure ? "Delete?" : <Icon name="trash" />}
      </button></ForEditors>
      {sure && warning && <p class="faint text" role="status">{warning}</p>}
      {problem && <p class="error" role="alert">{problem.message}</p>}
    </li>
  );
}
