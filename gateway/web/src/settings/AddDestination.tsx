/** A form for a new destination, with the fields of its kind. */
import { useRef, useState } from "preact/hooks";
import { announce } from "../lib/announce.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { destinations as service, requestId } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";
import { Icon } from "../ui/Icon.js";
import { Copy } from "../ui/Copy.js";
import { ProblemNotice } from "../ui/parts.js";
import { destinations } from "./destinations.js";
import { KINDS, newSigningSecret } from "./destinationKinds.js";
import { TextField } from "./TextField.js";

export function AddDestination() {
  const form = useRef<HTMLFormElement>(null);
  const [kind, choose] = useState(KINDS[0]!);
  const [secret, makeSecret] = useState(newSigningSecret);
  const [problem, blame] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const add = async (filled: HTMLFormElement) => {
    const given = new FormData(filled);
    const text = (name: string) => String(given.get(name) ?? "").trim();
    setBusy(true);
    blame(undefined);
    try {
      const made = await service.createDestination({
        parent: workspace.value,
        requestId: requestId(),
        destination: {
          displayName: text("display_name"),
          personal: text("whose") === "mine",
          settings: kind.settings(text),
        },
      });
      form.current?.reset(); // gone when one has left meanwhile
      makeSecret(newSigningSecret);
      announce(`${made.displayName} is added.`);
      void destinations.refresh();
    } catch (thrown) {
      blame(problemOf(thrown));
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
    }
    setBusy(false);
  };
  const wrong = (name: string) => problem?.violations.find((each) => each.field === name || each.field === `${kind.name}.${name}`)?.description;
  const untold = problem && !problem.violations.some((each) => each.field === "display_name" || kind.inputs.some((input) => each.field === `${kind.name}.${input.name}`));
  return (
    <section class="panel">
      <h2>Add one</h2>
      <form ref={form} class="form" onSubmit={(event) => { event.preventDefault(); void add(event.currentTarget); }}>
        <div class="grid">
          <div class="field">
            <label for="destination-kind">Kind</label>
            <select id="destination-kind" value={kind.name} onChange={(event) => { choose(KINDS.find((each) => each.name === event.currentTarget.value)!); blame(undefined); }}>
              {KINDS.map((each) => <option key={each.name} value={each.name}>{each.label}</option>)}
            </select>
          </div>
          {kind.inputs.map((input) => (
            <TextField
              key={`${kind.name}.${input.name}.${input.name === "signing_secret" ? secret : ""}`}
              id={`destination-${input.name}`}
              name={input.name}
              label={input.label}
              help={input.help}
              wrong={wrong(input.name)}
              type={input.secret ? "password" : "text"}
              required={!input.optional}
              maxLength={2000}
              {...(input.name === "signing_secret" && { value: secret })}
            />
          ))}
          <TextField id="destination-display_name" name="display_name" label="Name" help="Left out: where it is" wrong={wrong("display_name")} maxLength={100} />
          <div class="field">
            <label for="destination-whose">Whose</label>
            {/* An address of a person first for that person alone. */}
            <select key={kind.name === "email" ? "mine" : "shared"} id="destination-whose" name="whose" aria-describedby="destination-whose-help">
              {(kind.name === "email" ? ["mine", ""] : ["", "mine"]).map((each) => <option key={each} value={each}>{each ? "mine alone" : "shared"}</option>)}
            </select>
            <span id="destination-whose-help" class="help">Every editor's automations deliver to a shared one, only yours to your own</span>
          </div>
          {kind.name === "webhook" && <div class="field tick"><label><input type="checkbox" name="include_output" value="yes" />Send the output as it is, beside the text</label></div>}
        </div>
        <p class="faint">{kind.hint}</p>
        {kind.name === "webhook" && <p><Copy text={secret} what="Copy the signing secret" /></p>}
        {untold && <ProblemNotice problem={problem} />}
        <p><button type="submit" class="primary" disabled={busy} aria-busy={busy}><Icon name="plus" />Add</button></p>
      </form>
    </section>
  );
}
