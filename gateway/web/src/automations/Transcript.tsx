/** What the agent of a step was asked, thought, did and said, also while it is at work. */
import { Code } from "@connectrpc/connect";
import { useEffect, useMemo, useState } from "preact/hooks";
import { ThreadModel } from "../chat/thread.js";
import { TurnBlock } from "../chat/TurnBlock.js";
import { poll } from "../lib/network.js";
import { now } from "../lib/now.js";
import { workspace } from "../lib/session.js";
import { ProblemNotice, Skeleton } from "../ui/parts.js";

const NO_LONGER_KEPT = "Its transcript is no longer kept: it is for 30 days after the step's end.";

/** It is loaded when it is opened; that of a step at work is open. */
export function Transcript({ session, title, live, expires }: { session: string; title: string; live: boolean; expires?: Date | undefined }) {
  const [open, toggle] = useState(live);
  if (expires && expires.getTime() <= now.value) return <p class="faint">{NO_LONGER_KEPT}</p>;
  return (
    <details class="transcript" open={open} onToggle={(event) => toggle(event.currentTarget.open)}>
      <summary>{title}</summary>
      {open && <Turns session={session} />}
    </details>
  );
}

function Turns({ session }: { session: string }) {
  const model = useMemo(() => new ThreadModel(`${workspace.value}/threads/${session}`), [session]);
  useEffect(() => {
    const stop = poll(() => void model.look(), 5000);
    return () => {
      stop();
      model.close();
    };
  }, [model]);
  const problem = model.problem.value;
  if (problem?.code === Code.NotFound) return <p class="faint">{NO_LONGER_KEPT}</p>;
  return (
    <>
      {model.loading.value && !problem && <Skeleton rows={3} what="Loading the transcript" />}
      {model.turns.value.map((turn) => <TurnBlock key={turn.name} turn={turn} people={["The prompt", "The agent"]} />)}
      {model.refused.value && <ProblemNotice problem={model.refused.value} />}
      {problem && <ProblemNotice problem={problem} again={() => void model.look()} />}
    </>
  );
}
