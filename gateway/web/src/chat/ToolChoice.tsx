/** The tools that the agent may use for the next message. */
import { useEffect, useRef } from "preact/hooks";
import { catalogue, loadCatalogue } from "../card/catalogue.js";
import { Icon } from "../ui/Icon.js";

const MANAGING: [string, string][] = [
  ["create_automation", "Draft automations"],
  ["update_automation", "Change automations"],
  ["pause_automation", "Pause automations"],
  ["skip_next_slot", "Skip a time"],
  ["unskip_slots", "Take skips back"],
  ["resume_automation", "Resume automations"],
  ["backfill_slots", "Run what was missed"],
  ["roll_back_automation", "Roll automations back"],
  ["delete_automation", "Delete automations"],
];

export function ToolChoice({ without, leave }: { without: string[]; leave: (tools: string[]) => void }) {
  const here = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const outside = (event: Event) => {
      if (here.current?.open && !here.current.contains(event.target as Node)) here.current.open = false;
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, []);
  const tools: [string, string][] = [...MANAGING, ...catalogue.value.tools.map(({ id, description }): [string, string] => [id, description.split("\n")[0]!])];
  const toggle = (id: string, on: boolean) => leave(on ? without.filter((each) => each !== id) : [...without, id]);
  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !here.current?.open) return;
    event.stopPropagation();
    here.current.open = false;
    here.current.querySelector("summary")?.focus();
  };
  return (
    <details class="choice" ref={here} onToggle={() => void loadCatalogue()} onKeyDown={escape}>
      <summary aria-label={without.length ? `Tools, ${without.length} off` : "Tools"} title="Tools it may use"><Icon name="tool" />{without.length > 0 && <span class="count">−{without.length}</span>}</summary>
      <fieldset>
        <legend>It may use</legend>
        {tools.map(([id, words]) => (
          <label key={id} title={id}>
            <input type="checkbox" checked={!without.includes(id)} onChange={(event) => toggle(id, event.currentTarget.checked)} />
            <span>{MANAGING.some(([own]) => own === id) ? words : <><code>{id}</code> <span class="faint">{words}</span></>}</span>
          </label>
        ))}
      </fieldset>
    </details>
  );
}
