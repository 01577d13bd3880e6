/** The difference between two texts, with unchanged lines folded. */
import { diffLines, type Line } from "../lib/json.js";

const AROUND = 2;
const SIGN = { same: " ", added: "+", removed: "−" };

export function Diff({ before, after }: { before: string; after: string }) {
  const lines = diffLines(before, after);
  if (lines.every((line) => line.kind === "same")) return <p class="faint">Nothing differs.</p>;
  return (
    <pre class="diff" tabIndex={0} aria-label="Differences">
      {folded(lines).map((line, n) =>
        line
          ? <span key={n} class={line.kind}>{`${SIGN[line.kind]} ${line.text}\n`}</span>
          : <span key={n} class="fold">{"  …\n"}</span>,
      )}
    </pre>
  );
}

function folded(lines: Line[]): (Line | undefined)[] {
  const near = (at: number) =>
    lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some((line) => line.kind !== "same");
  const shown: (Line | undefined)[] = [];
  lines.forEach((line, n) => {
    if (near(n)) shown.push(line);
    else if (shown.at(-1) !== undefined || !shown.length) shown.push(undefined);
  });
  return shown;
}
