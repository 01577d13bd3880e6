/** What a run sent: where to, what became of it, and each attempt. */
import { useEffect, useState } from "preact/hooks";
import { type Delivery, Delivery_State as State } from "../gen/rota/automation/v1/delivery_pb.js";
import { announce } from "../lib/announce.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { threads } from "../lib/lists.js";
import { useQuery } from "../lib/query.js";
import { deliveries, idOf, requestId } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { mayAct } from "../lib/session.js";
import { dateOf, exactly, moment, span } from "../lib/time.js";
import { destinations, watchDestinations } from "../settings/destinations.js";
import { Icon } from "../ui/Icon.js";
import { Badge, ProblemNotice } from "../ui/parts.js";
import { DELIVERY, look } from "./states.js";

/** Nothing for a run that sent nothing. */
export function RunDeliveries({ run }: { run: string }) {
  const { value, problem, again } = useQuery(() => deliveries.listDeliveries({ parent: run, pageSize: 200 }), run, 5000);
  useEffect(watchDestinations, []);
  if (!value?.deliveries.length) return problem ? <ProblemNotice problem={problem} again={again} /> : null;
  return (
    <section class="panel">
      <h2>Deliveries</h2>
      <ul class="results">
        {[...value.deliveries].reverse().map((one) => <Row key={one.name} one={one} again={again} />)}
      </ul>
    </section>
  );
}

function Row({ one, again }: { one: Delivery; again: () => void }) {
  const [open, toggle] = useState(false);
  const [problem, blame] = useState<Problem>();
  const [word, tone] = look(DELIVERY, one.state);
  const next = dateOf(one.nextAttemptTime);
  const retry = async () => {
    blame(undefined);
    try {
      await deliveries.retryDelivery({ name: one.name, requestId: requestId() });
      announce("It is sent again.");
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    again();
  };
  return (
    <li>
      <p class="result-head">
        <Place name={one.destination} />
        <Badge tone={tone}>{word}</Badge>
        <span class="faint">{one.state === State.RETRYING && next ? `next try ${moment(next)}` : one.subject}</span>
      </p>
      {one.error && <p class="error">{one.error}</p>}
      {(one.attemptCount > 0 || (one.state === State.FAILED && mayAct.value)) && (
        <p class="acts">
          {one.attemptCount > 0 && (
            <button type="button" class="quiet small" aria-expanded={open} onClick={() => toggle(!open)}>
              {one.attemptCount === 1 ? "1 attempt" : `${one.attemptCount} attempts`}
            </button>
          )}
          {one.state === State.FAILED && mayAct.value && (
            <button type="button" class="quiet small" onClick={() => void retry()}><Icon name="play" />Send again</button>
          )}
        </p>
      )}
      {open && <Attempts name={one.name} />}
      {problem && <ProblemNotice problem={problem} />}
    </li>
  );
}

function Attempts({ name }: { name: string }) {
  const { value, problem, again } = useQuery(() => deliveries.getDelivery({ name }), name, 5000);
  if (problem && !value) return <ProblemNotice problem={problem} again={again} />;
  return (
    <ol class="times">
      {value?.attempts.map((each) => {
        const [start, took] = [dateOf(each.startTime), each.duration];
        const ms = took && Number(took.seconds) * 1000 + took.nanos / 1e6;
        const end = start && ms !== undefined ? new Date(start.getTime() + ms) : undefined;
        const answer = each.error || (took ? "sent" : "no answer is known");
        return (
          <li key={each.attempt} value={each.attempt}>
            {start && exactly(start)}: {[each.statusCode || "", answer].filter(Boolean).join(" ")}{start && end ? `, ${span(start, end)}` : ""}
          </li>
        );
      })}
    </ol>
  );
}

function Place({ name }: { name: string }) {
  if (name === "inbox") return <strong>Inbox</strong>;
  const isIt = (each: { name: string }) => each.name === name;
  if (name.includes("/threads/")) {
    return <a href={href("chat", idOf(name))}>{threads.items.value?.find(isIt)?.displayName || "A thread"}</a>;
  }
  const found = destinations.items.value?.find(isIt);
  if (!found) return <strong>{idOf(name)}</strong>;
  return <span><a href={href("destinations", idOf(name))}>{found.displayName || idOf(name)}</a>{found.host !== found.displayName && <span class="faint"> {found.host}</span>}</span>;
}
