/** A result that a run delivered to the thread. */
import { type RunResult, RunResult_Format as Format } from "../gen/rota/chat/v1/chat_pb.js";
import { resourceHref } from "../lib/router.js";
import { nearby } from "../lib/time.js";
import { Copy } from "../ui/Copy.js";
import { Icon } from "../ui/Icon.js";
import { ResultBody, type ResultFormat } from "../ui/ResultBody.js";

const FORMATS: Partial<Record<Format, ResultFormat>> = { [Format.MARKDOWN]: "markdown", [Format.JSON]: "json" };

export function ResultCard({ result, time }: { result: RunResult; time: Date | undefined }) {
  const name = result.automationDisplayName || "An automation";
  return (
    <section class="delivered" aria-label={`Result of ${name}`}>
      <p class="delivered-head">
        <Icon name="inbox" />
        <a href={resourceHref(result.automation)}>{name}</a>
        {time && <time class="faint" dateTime={time.toISOString()}>{nearby(time)}</time>}
      </p>
      {result.subject && <p class="heading h3" role="heading" aria-level={3} dir="auto">{result.subject}</p>}
      {result.body ? <ResultBody text={result.body} format={FORMATS[result.format] ?? "text"} /> : <p class="faint">It gave nothing.</p>}
      <p class="delivered-foot">
        <a href={resourceHref(result.run)}>Open the run</a>
        {result.body && <Copy text={result.body} what="Copy the result" />}
      </p>
    </section>
  );
}
