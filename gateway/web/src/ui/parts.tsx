/** Components that several screens share. */
import type { ComponentChildren } from "preact";
import { Code } from "@connectrpc/connect";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../lib/problem.js";
import { refusalText } from "../card/labels.js";
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

/** `again` is not offered where it can't help: what does not exist does not come by itself. */
export function ProblemNotice({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <Icon name="warning" />
      <div>
        <p>{problem.message}</p>
        {problem.reason && <p class="faint">{problem.reason}</p>}
      </div>
      {again && problem.code !== Code.NotFound && <button type="button" class="quiet" onClick={again}>Try again</button>}
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
  /** What the field holds when it is opened. */
  text?: string;
  /** Words for why it can't be done any more. */
  over?: string | undefined;
  /** Called when the form opens and closes. */
  opened?: (open: boolean) => void;
  /**
   * `at` is a moment of the person's clock; undefined when the field is empty. The form stays open
   * with what was typed when a problem comes back.
   */
  done: (text: string, at?: Date) => void | Promise<Problem | undefined>;
}) {
  const [open, toggle] = useState(false);
  const [text, write] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, blame] = useState<Problem>();
  const show = (next: boolean) => {
    if (next && props.text !== undefined) write(props.text);
    toggle(next);
    blame(undefined);
    props.opened?.(next);
  };
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
  const submit = async () => {
    const done = props.done(text, when ? new Date(when) : undefined);
    if (done) {
      setBusy(true);
      blame(undefined);
      const found = await done;
      setBusy(false);
      if (found) {
        blame(found);
        return;
      }
      write("");
      setWhen("");
    }
    show(false);
  };
  const atMoment = props.moment && problem?.violations.length ? problem.violations.map(({ description }) => `This moment ${refusalText(description)}.`).join(" ") : "";
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
        void submit();
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
          <input id={momentId} type="datetime-local" value={when} aria-invalid={atMoment !== ""} aria-describedby={atMoment ? `${momentId}-wrong` : undefined} onInput={(event) => { setWhen(event.currentTarget.value); blame(undefined); }} />
          {atMoment && <p class="error" id={`${momentId}-wrong`} role="alert">{atMoment}</p>}
        </>
      )}
      {problem && !atMoment && <ProblemNotice problem={problem} />}
      {props.over && <p class="error" role="status">{props.over}</p>}
      <button type="submit" class={props.kind ?? "primary"} disabled={busy || !!props.over} aria-busy={busy}>{props.act}</button>
      <button type="button" class="quiet" onClick={close}>Back</button>
    </form>
  );
}
