/** The person's own models: add, test and remove. The page sends a key and never shows it. */
import { type DescField, fromJson, type JsonValue, ScalarType, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { useEffect, useRef, useState } from "preact/hooks";
import { loadModels, models, reloadModels } from "../chat/models.js";
import {
  ModelConfig_ImageSupport as Images, RequestSettingsSchema, type ModelConfig,
} from "../gen/rota/chat/v1/chat_pb.js";
import { announce } from "../lib/announce.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { chat, requestId } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";
import { ForEditors } from "../ui/ForEditors.js";
import { Icon } from "../ui/Icon.js";
import { Badge, ProblemNotice } from "../ui/parts.js";
import { ModelTest } from "./ModelTest.js";
import { TextField } from "./TextField.js";

/** The settings are none; the message says which is at fault and what it takes. */
class InvalidSettings extends Error {}
const unreadable = (fault: InvalidSettings): Problem => ({
  code: Code.InvalidArgument,
  reason: "INVALID_REQUEST",
  message: "",
  violations: [{ field: "settings", description: fault.message, reason: "INVALID" }],
  more: 0,
});

export function Models() {
  useEffect(loadModels, []);
  const own = models.value.filter((each) => each.own);
  const given = models.value.filter((each) => !each.own);
  return (
    <section class="screen" aria-label="Models">
      <header class="screen-head"><h1>Models</h1></header>
      <div class="scroll">
        <div class="column">
          <section class="panel">
            <h2>Your own</h2>
            {!own.length && <p class="faint">None yet. Only you can see and use models of your own; you choose one under a message.</p>}
            {own.length > 0 && <ul class="rows tight">{own.map((each) => <Own key={each.name} model={each} />)}</ul>}
          </section>
          <ForEditors words="Editors of the workspace add models of their own."><AddModel /></ForEditors>
          {given.length > 0 && (
            <section class="panel">
              <h2>Of this service</h2>
              <ul class="rows tight">
                {given.map((each) => (
                  <li key={String(each.id)} class="row still">
                    <span class="row-main"><span class="row-title">{each.displayName}</span><span class="faint">{each.model}</span></span>
                    <span class="badges">{each.premium && <Badge tone="wait">Premium</Badge>}{each.imageSupport === Images.TEXT_ONLY && <Badge tone="calm">Text only</Badge>}{each.autoEligible && <Badge tone="good">Auto</Badge>}</span>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </div>
      </div>
    </section>
  );
}

function Own({ model }: { model: ModelConfig }) {
  const [sure, ask] = useState(false);
  const [problem, blame] = useState<Problem>();
  const remove = async () => {
    if (!sure) return ask(true);
    try {
      await chat.deleteModelConfig({ name: model.name, etag: model.etag, requestId: requestId() });
      announce(`${model.displayName} is removed.`);
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    ask(false);
    reloadModels();
  };
  return (
    <li>
      <div class="row still">
        <span class="row-main">
          <span class="row-title">{model.displayName}</span>
          <span class="faint text">{model.model} at {model.baseUrl}</span>
          <span class="faint">{model.keyHint ? `Key …${model.keyHint}` : "Without a key, or with a short one"}</span>
          {model.settings && <span class="faint text">{settingsText(model)}</span>}
          {model.extraHeaderNames.length > 0 && <span class="faint text">Headers {model.extraHeaderNames.join(", ")}</span>}
        </span>
        <ForEditors><button type="button" class={sure ? "quiet danger small" : "quiet small"} onBlur={() => ask(false)} onClick={() => void remove()} aria-label={sure ? `Really remove ${model.displayName}` : `Remove ${model.displayName}`}>
          <Icon name="trash" />{sure ? "Really remove?" : "Remove"}
        </button></ForEditors>
      </div>
      {problem && <ProblemNotice problem={problem} />}
      <ForEditors><ModelTest model={model} /></ForEditors>
    </li>
  );
}

function settingsText(model: ModelConfig): string {
  return model.settings ? JSON.stringify(toJson(RequestSettingsSchema, model.settings, { useProtoFieldName: true })) : "";
}

function AddModel() {
  const form = useRef<HTMLFormElement>(null);
  const [problem, blame] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const add = async (filled: HTMLFormElement) => {
    const given = new FormData(filled);
    const text = (name: string) => String(given.get(name) ?? "").trim();
    setBusy(true);
    blame(undefined);
    try {
      const settings = readSettings(text("settings"));
      const made = await chat.createModelConfig({
        parent: workspace.value,
        requestId: requestId(),
        modelConfig: {
          displayName: text("display_name"),
          model: text("model"),
          baseUrl: text("base_url"),
          apiKey: text("api_key"),
          imageSupport: Number(text("image_support")) as Images,
          contextTokens: Number(text("context_tokens")),
          ...(settings && { settings }),
        },
      });
      form.current?.reset(); // gone when one has left meanwhile
      announce(`${made.displayName} is added.`);
      reloadModels();
    } catch (thrown) {
      blame(thrown instanceof InvalidSettings ? unreadable(thrown) : problemOf(thrown));
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
    }
    setBusy(false);
  };
  const wrong = (name: string) => problem?.violations.find((each) => each.field === name || (each.field.startsWith(name) && /^[.[]/.test(each.field.slice(name.length))))?.description;
  return (
    <section class="panel">
      <h2>Add one of your own</h2>
      <form ref={form} class="form" onSubmit={(event) => { event.preventDefault(); void add(event.currentTarget); }}>
        <div class="grid">
          <TextField id="own-model" name="model" label="Model" help="As its provider names it" wrong={wrong("model")} required />
          <TextField id="own-base_url" name="base_url" label="Address" help="OpenAI-compatible; usually ends in /v1" wrong={wrong("base_url")} type="url" required />
          <TextField id="own-api_key" name="api_key" label="Key" help="Stored encrypted, and never shown again" wrong={wrong("api_key")} type="password" />
          <TextField id="own-display_name" name="display_name" label="Name" help="Left out: the model's" wrong={wrong("display_name")} />
          <TextField id="own-context_tokens" name="context_tokens" label="Context" help="Tokens that it holds in one call; left out: 128,000" wrong={wrong("context_tokens")} type="number" />
          <TextField id="own-settings" name="settings" label="Settings" help={'JSON of what each request holds or leaves out, such as {"temperature": 1}; left out: nothing'} wrong={wrong("settings")} maxLength={20_000} />
          <div class="field">
            <label for="own-image_support">Pictures</label>
            <select id="own-image_support" name="image_support">
              <option value={Images.IMAGE_SUPPORT_UNSPECIFIED}>not known: try</option>
              <option value={Images.IMAGES}>it reads them</option>
              <option value={Images.TEXT_ONLY}>text only</option>
            </select>
          </div>
        </div>
        {problem && !problem.violations.length && <ProblemNotice problem={problem} />}
        <p><button type="submit" class="primary" disabled={busy} aria-busy={busy}><Icon name="plus" />Add</button></p>
      </form>
    </section>
  );
}

/** The settings that a person wrote as JSON. Throws InvalidSettings. */
function readSettings(written: string) {
  if (!written) return undefined;
  let given: JsonValue;
  try {
    given = JSON.parse(written) as JsonValue;
  } catch {
    throw new InvalidSettings("is no JSON");
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new InvalidSettings("is no JSON object of settings");
  for (const [name, value] of Object.entries(given)) {
    const field = RequestSettingsSchema.fields.find((each) => each.name === name || each.jsonName === name);
    if (!field) throw new InvalidSettings(`${name} is no setting: there are ${RequestSettingsSchema.fields.map((each) => each.name).join(", ")}`);
    if (!fits({ [name]: value })) throw new InvalidSettings(`${name} takes ${taken(field)}, not ${JSON.stringify(value).slice(0, 60)}`);
  }
  if (!fits(given)) throw new InvalidSettings("names a setting twice");
  return fromJson(RequestSettingsSchema, given);
}

function fits(given: JsonValue): boolean {
  try {
    fromJson(RequestSettingsSchema, given);
    return true;
  } catch {
    return false;
  }
}

function taken(field: DescField): string {
  if (field.fieldKind === "list") return "a list of texts";
  if (field.fieldKind !== "scalar") return "an object";
  switch (field.scalar) {
    case ScalarType.BOOL: return "true or false";
    case ScalarType.STRING: return "a text";
    case ScalarType.INT32: return "a whole number";
    default: return "a number";
  }
}
