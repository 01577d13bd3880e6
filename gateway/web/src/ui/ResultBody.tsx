/** The body of a result: text that models and web pages may have written. */
import { useState } from "preact/hooks";
import { pretty } from "../lib/json.js";
import { Markdown } from "./Markdown.js";

export type ResultFormat = "markdown" | "text" | "json";

/** Characters and lines that are shown before the person asks for all. */
const SHORT = 2_000;
const LINES = 24;

/** A long body shows its beginning, until the person asks for all of it. */
export function ResultBody({ text, format }: { text: string; format: ResultFormat }) {
  const [whole, show] = useState(false);
  const start = beginning(text);
  const isCut = start.length < text.length;
  return (
    <>
      <Formatted text={whole || !isCut ? text : start} format={isCut && !whole && format === "json" ? "text" : format} />
      {isCut && (
        <button type="button" class="quiet small" aria-expanded={whole} onClick={() => show(!whole)}>
          {whole ? "Show less" : "Show all of it"}
        </button>
      )}
    </>
  );
}

function Formatted({ text, format }: { text: string; format: ResultFormat }) {
  if (format === "markdown") return <Markdown text={text} />;
  if (format === "json") return <pre tabIndex={0} dir="auto">{readable(text)}</pre>;
  return <div class="prose"><p class="plain-text">{text}</p></div>;
}

/** Returns whole lines, as far as there are any. */
function beginning(text: string): string {
  const lines = text.split("\n", LINES + 1);
  const start = lines.length > LINES ? lines.slice(0, LINES).join("\n") : text;
  if (start.length <= SHORT) return start;
  const end = start.lastIndexOf("\n", SHORT);
  return start.slice(0, end > SHORT / 2 ? end : SHORT);
}

function readable(json: string): string {
  try {
    return pretty(JSON.parse(json));
  } catch {
    return json; // it was cut
  }
}
