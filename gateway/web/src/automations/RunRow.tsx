/** A run in a list: how it ended, how long it took, what it cost and its first line. */
import type { Run } from "../gen/rota/automation/v1/automation_pb.js";
import { errorText } from "../lib/problem.js";
import { resourceHref } from "../lib/router.js";
import { dateOf, nearby, relative, span } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { Badge } from "../ui/parts.js";
import { costText, look, RUN } from "./states.js";

/** `named`: with the automation's name. */
export function RunRow({ run, named }: { run: Run; named?: boolean }) {
  const [word, tone] = look(RUN, run.state);
  const slot = dateOf(run.slotTime) ?? dateOf(run.createTime);
  const [start, end] = [dateOf(run.startTime), dateOf(run.endTime)];
  const took = start && end ? `took ${span(start, end)}` : slot && relative(slot);
  return (
    <li>
      <a class="row" href={resourceHref(run.name)}>
        <Badge tone={tone}>{word}</Badge>
        <span class="row-main">
          {named && <span class="row-title">{run.automationDisplayName}</span>}
          <span>{slot && nearby(slot)}{run.backfill && <span class="faint"> · run afterwards</span>}</span>
          {run.failedDeliveryCount > 0 && <span class="error">{sent(run.failedDeliveryCount)} not delivered</span>}
          {run.retryingDeliveryCount > 0 && <span class="faint">{sent(run.retryingDeliveryCount)} not delivered yet; tried again</span>}
          {run.error && <span class="error clip">{errorText(run.error)}</span>}
          {run.outputSnippet && <span class="faint clip">{run.outputSnippet}</span>}
        </span>
        <span class="faint">{[took, costText(run.usage)].filter(Boolean).join(" · ")}</span>
        <Icon name="chevron" />
      </a>
    </li>
  );
}

function sent(count: number): string {
  return count === 1 ? "A result was" : `${count} results were`;
}
