/** Where one writes. Enter sends, Shift+Enter makes a line, Esc cancels what runs. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ModelConfig } from "../gen/rota/chat/v1/chat_pb.js";
import { chat } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";
import { Icon } from "../ui/Icon.js";
import type { State } from "./turn.js";

export function Composer(props: {
  draft: string;
  write: (text: string) => void;
  open: State | undefined;
  say: (text: string, config: bigint) => void;
  cancel: () => void;
}) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [config, choose] = useState("0");
  const models = useModels();
  const working = props.open === "running" || props.open === "sending";
  useEffect(() => {
    const here = field.current!;
    here.style.height = "auto";
    here.style.height = `${Math.min(here.scrollHeight, 220)}px`;
  }, [props.draft]);
  useEffect(() => {
    if (matchMedia("(min-width: 800px)").matches) field.current?.focus();
  }, []);
  const send = () => {
    if (props.draft.trim() && !props.open) props.say(props.draft.trim(), BigInt(config));
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && working) {
      event.preventDefault();
      props.cancel();
    }
  };
  return (
    <form class={`composer ${props.open ?? ""}`} onSubmit={(event) => { event.preventDefault(); send(); }}>
      <div class="column">
        <label class="unseen" for="message">Message</label>
        <div class="box">
          <textarea
            ref={field}
            id="message"
            rows={1}
            maxLength={100_000}
            placeholder={props.open === "waiting" ? "Decide above first, then go on here" : "Say what should happen, and when"}
            value={props.draft}
            onInput={(event) => props.write(event.currentTarget.value)}
            onKeyDown={pressed}
            aria-describedby="keys"
          />
          {models.length > 1 && (
            <select aria-label="Model" value={config} onChange={(event) => choose(event.currentTarget.value)}>
              <option value="0">Auto</option>
              {models.map((each) => <option key={String(each.id)} value={String(each.id)}>{each.displayName}</option>)}
            </select>
          )}
          {working
            ? <button type="button" class="round" aria-label="Cancel" title="Cancel (Esc)" onClick={props.cancel}><Icon name="stop" /></button>
            : <button type="submit" class="round primary" aria-label="Send" disabled={!props.draft.trim() || !!props.open}><Icon name="send" /></button>}
        </div>
        <p class="keys" id="keys">
          {props.open === "waiting"
            ? <button type="button" class="link" onClick={props.cancel}>Cancel what waits</button>
            : <><kbd>Enter</kbd> sends · <kbd>Shift</kbd> <kbd>Enter</kbd> makes a line · <kbd>Esc</kbd> cancels</>}
        </p>
      </div>
    </form>
  );
}

function useModels(): ModelConfig[] {
  const [models, hold] = useState<ModelConfig[]>([]);
  useEffect(() => {
    // Without the list the service chooses.
    chat.listModelConfigs({ parent: workspace.value }).then((answer) => hold(answer.modelConfigs), () => {});
  }, []);
  return models;
}
