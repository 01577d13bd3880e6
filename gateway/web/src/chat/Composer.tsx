/** The message field. Enter sends, Shift+Enter adds a line, Esc cancels the turn. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ModelConfig_ImageSupport as Images, type ModelConfig } from "../gen/rota/chat/v1/chat_pb.js";
import { announce } from "../lib/announce.js";
import { Icon } from "../ui/Icon.js";
import type { AttachedImage } from "./images.js";
import type { Draft } from "./draft.js";
import { MentionList, useMentions } from "./Mentions.js";
import { models, TEXT_ONLY, loadModels } from "./models.js";
import { ToolChoice } from "./ToolChoice.js";
import type { State } from "./turn.js";

/** Where one goes on in a chat. None on a narrow screen, where a keyboard would come up. */
export function nextField(): string | undefined {
  return matchMedia("(min-width: 800px)").matches ? "#message" : undefined;
}

export function Composer(props: {
  thread: string;
  draft: Draft;
  write: (change: (draft: Draft) => Draft) => void;
  attach: (files: File[]) => Promise<{ fresh: number; refused: string[] }>;
  open: State | undefined;
  /** What is shown as chosen; 0: auto. */
  config: bigint;
  choose: (config: bigint) => void;
  say: (choices: { without: string[] }) => void;
  cancel: () => void;
}) {
  const { draft } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const [without, leave] = useState<string[]>([]);
  const [refused, refuse] = useState<string[]>([]);
  const mentions = useMentions(field, draft.text, props.write, props.thread);
  const working = props.open === "running" || props.open === "sending";
  const something = draft.text.trim() !== "" || draft.images.length > 0;
  useEffect(loadModels, []);
  useLayoutEffect(() => {
    const here = field.current!;
    here.style.height = "auto";
    here.style.height = `${Math.min(here.scrollHeight, 220)}px`;
  }, [draft.text]);
  useLayoutEffect(() => {
    if (nextField()) field.current?.focus();
  }, []);
  const attach = async (files: File[]) => {
    const { fresh, refused } = await props.attach(files);
    refuse(refused);
    if (fresh) announce(fresh === 1 ? "A picture is attached." : `${fresh} pictures are attached.`);
  };
  const send = () => {
    if (!something || props.open) return;
    refuse([]);
    props.say({ without });
  };
  const pressed = (event: KeyboardEvent) => {
    if (mentions.pressed(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && working) {
      event.preventDefault();
      props.cancel();
    }
  };
  const drop = useDrop((files) => void attach(files));
  const model = models.value.find((each) => each.id === props.config);
  return (
    <form class={`composer ${props.open ?? ""}`} onSubmit={(event) => { event.preventDefault(); send(); }} {...drop.on}>
      <div class="column">
        <label class="unseen" for="message">Message</label>
        <div class={drop.over ? "box over" : "box"}>
          {mentions.open && <MentionList {...mentions} />}
          <Pictures images={draft.images} remove={(id) => { props.write((now) => ({ ...now, images: now.images.filter((each) => each.id !== id) })); field.current?.focus(); }} />
          <textarea
            ref={field}
            id="message"
            rows={1}
            maxLength={100_000}
            placeholder={props.open === "waiting" ? "Decide above first, then go on here" : "Say what should happen, and when"}
            value={draft.text}
            onInput={(event) => { const text = event.currentTarget.value; props.write((now) => ({ ...now, text })); mentions.look(); }}
            onKeyDown={pressed}
            onClick={mentions.look}
            onBlur={mentions.close}
            onPaste={(event) => {
              const files = [...(event.clipboardData?.files ?? [])];
              if (!files.length) return;
              event.preventDefault();
              void attach(files);
            }}
            aria-describedby="keys"
            {...mentions.marks}
          />
          <div class="bar" data-next={nextField()}>
            <Attach done={(files) => void attach(files)} />
            <button type="button" class="bare" aria-label="Mention an automation or a thread" title="Mention (@)" onMouseDown={(event) => event.preventDefault()} onClick={mentions.begin}>@</button>
            <ToolChoice without={without} leave={leave} />
            {models.value.length > 1 && <ModelChoice value={model ? String(model.id) : "0"} choose={(id) => props.choose(BigInt(id))} />}
            {working
              ? <button type="button" class="round" aria-label="Cancel" title="Cancel (Esc)" onClick={props.cancel}><Icon name="stop" /></button>
              : <button type="submit" class="round primary" aria-label="Send" disabled={!something || !!props.open}><Icon name="send" /></button>}
          </div>
        </div>
        {refused.length > 0 && <ul class="refused" role="alert">{refused.map((each) => <li key={each} class="error">{each}</li>)}</ul>}
        {draft.images.length > 0 && model?.imageSupport === Images.TEXT_ONLY && <p class="error" role="status">{model.displayName} reads text only. Choose another model for pictures.</p>}
        <p class="keys" id="keys">
          {props.open === "waiting"
            ? <button type="button" class="link" onClick={props.cancel}>Cancel what waits</button>
            : <><kbd>Enter</kbd> sends · <kbd>Shift</kbd> <kbd>Enter</kbd> makes a line · <kbd>@</kbd> mentions · <kbd>Esc</kbd> cancels</>}
        </p>
      </div>
    </form>
  );
}

function ModelChoice({ value, choose }: { value: string; choose: (id: string) => void }) {
  const named = (each: ModelConfig) => [each.displayName, each.imageSupport === Images.TEXT_ONLY && TEXT_ONLY, each.premium && "premium"].filter(Boolean).join(" · ");
  return (
    <select aria-label="Model" value={value} onChange={(event) => choose(event.currentTarget.value)}>
      <option value="0">Auto</option>
      {models.value.map((each) => <option key={String(each.id)} value={String(each.id)}>{named(each)}</option>)}
    </select>
  );
}

function Attach({ done }: { done: (files: File[]) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="bare" aria-label="Attach pictures" title="Attach pictures (png, jpeg, webp, gif)" onClick={() => input.current?.click()}><Icon name="picture" /></button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept="image/png,image/jpeg,image/webp,image/gif"
        aria-label="Pictures"
        onChange={(event) => {
          done([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

function Pictures({ images, remove }: { images: AttachedImage[]; remove: (id: number) => void }) {
  if (!images.length) return null;
  return (
    <ul class="pictures" aria-label="Attached pictures">
      {images.map((each) => (
        <li key={each.id}>
          <img src={each.shown} alt={each.name} title={each.name} />
          <button type="button" class="bare" aria-label={`Remove ${each.name}`} onClick={() => remove(each.id)}><Icon name="cross" /></button>
        </li>
      ))}
    </ul>
  );
}

/** Drag and drop of files. */
function useDrop(done: (files: File[]) => void) {
  const [over, say] = useState(false);
  const hasFiles = (event: DragEvent) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  return {
    over,
    on: {
      onDragOver: (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        say(true);
      },
      onDragLeave: () => say(false),
      onDrop: (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        say(false);
        done([...(event.dataTransfer?.files ?? [])]);
      },
    },
  };
}
