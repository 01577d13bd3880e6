/** A button that copies a text. */
import { useState } from "preact/hooks";
import { announce } from "../lib/announce.js";
import { Icon } from "./Icon.js";

export function Copy({ text, what = "Copy" }: { text: string; what?: string }) {
  const [done, say] = useState(false);
  const copy = async () => {
    const copied = await written(text);
    say(copied);
    announce(copied ? "Copied." : "It can't be copied here.");
  };
  return (
    <button type="button" class="bare copy" aria-label={what} title={what} onClick={() => void copy()} onBlur={() => say(false)}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

/** The clipboard of the browser needs https or localhost, and a permission. */
async function written(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text);
  }
}

function selected(text: string): boolean {
  const back = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
    if (back instanceof HTMLElement) back.focus({ preventScroll: true });
  }
}
