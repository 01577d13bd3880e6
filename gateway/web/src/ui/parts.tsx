/** Components that several screens share. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../lib/problem.js";
import { Icon, type IconName } from "./Icon.js";

export type Tone = "good" | "bad" | "wait" | "calm" | "busy";

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

export function Empty(props: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={props.icon} />
      <p class="empty-title">{props.title}</p>
      {props.children && <p>{props.children}</p>}
    </div>
  );
}

/** Grey bars in place of content that loads. */
export function Skeleton({ rows = 3, what = "Loading" }: { rows?: number; what?: string }) {
  return (
    <div class="loading" role="status" aria-label={what}>
      {Array.from({ length: rows }, (_, n) => <span key={n} />)}
    </div>
  );
}

export function ProblemNotice({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <Icon name="warning" />
      <div>
        <p>{problem.message}</p>
        {problem.reason && <p class="faint">{problem.reason}</p>}
      </div>
      {again && <button type="button" class="quiet" onClick={again}>Try again</button>}
    </div>
  );
}

/** A list of labels and values. */
export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A button that asks for a line of text, and for a moment if `moment` has a label, before it does something. */
export function TextPrompt(props: {
  label: string;
  icon: IconName;
  question: string;
  act: string;
  kind?: string;
  disabled?: boolean;
  moment?: string;
  /** `at` is a moment of the person's clock; undefined when the field is empty. */
  done: (text: string, at?: Date) => void;
}) {
  const [open, show] = useState(false);
  const [text, write] = useState("");
  const [when, setWhen] = useState("");
  const momentId = useId();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const back = useRef(false);
  useLayoutEffect(() => {
    if (open) field.current?.focus();
    else if (back.current) opener.current?.focus();
    back.current = false;
  }, [open]);
  const close = () => {
    back.current = true;
    show(false);
  };
  if (!open) {
    return (
      <button ref={opener} type="button" class={props.kind ?? "quiet"} disabled={props.disabled} onClick={() => show(true)}>
        <Icon name={props.icon} />{props.label}
      </button>
    );
  }
  return (
    <form
      class="asking"
      onSubmit={(event) => {
        event.preventDefault();
        show(false);
        props.done(text, when ? new Date(when) : undefined);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        close();
      }}
    >
      <label for={id}>{props.question}</label>
      <input ref={field} id={id} value={text} maxLength={1000} onInput={(event) => write(event.currentTarget.value)} />
      {props.moment && (
        <>
          <label for={momentId}>{props.moment}</label>
          <input id={momentId} type="datetime-local" value={when} onInput={(event) => setWhen(event.currentTarget.value)} />
        </>
      )}
      <button type="submit" class={props.kind ?? "primary"}>{props.act}</button>
      <button type="button" class="quiet" onClick={close}>Back</button>
    </form>
  );
}
