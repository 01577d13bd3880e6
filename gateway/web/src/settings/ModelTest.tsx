/** A test of a model: what it takes, and the settings that fit, saved only by a button of their own. */
import { toJson } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";
import { reloadModels } from "../chat/models.js";
import {
  FeatureTest_Outcome as Outcome, ModelConfig_ImageSupport as Images, RequestSettingsSchema,
  type FeatureTest, type ModelConfig, type TestModelConfigResponse,
} from "../gen/rota/chat/v1/chat_pb.js";
import { announce } from "../lib/announce.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { chat, requestId } from "../lib/rpc.js";
import { Badge, ProblemNotice } from "../ui/parts.js";

const FOUND: Record<Outcome, ["good" | "bad" | "calm", string]> = {
  [Outcome.OUTCOME_UNSPECIFIED]: ["calm", "not told"],
  [Outcome.WORKS]: ["good", "works"],
  [Outcome.REFUSED]: ["bad", "refused"],
  [Outcome.NOT_TOLD]: ["calm", "not told"],
  [Outcome.FAILED]: ["bad", "failed"],
};

// Of a map, whose entries come in no order.
const NAMED = ["status", "code", "parameter"];

export function ModelTest({ model }: { model: ModelConfig }) {
  const [busy, setBusy] = useState(false);
  const [found, show] = useState<TestModelConfigResponse>();
  const [saved, setSaved] = useState(false);
  const [problem, blame] = useState<Problem>();
  const attempt = async (act: () => Promise<void>) => {
    setBusy(true);
    blame(undefined);
    try {
      await act();
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    setBusy(false);
  };
  const test = () => attempt(async () => {
    setSaved(false);
    show(undefined);
    show(await chat.testModelConfig({ name: model.name }));
    announce(`${model.displayName} is tested.`);
  });
  const save = () => attempt(async () => {
    if (!found?.suggested || !found.changes) return;
    await chat.updateModelConfig({ modelConfig: found.suggested, updateMask: found.changes, requestId: requestId() });
    setSaved(true);
    announce(`The settings of ${model.displayName} are saved.`);
    reloadModels();
  });
  const changes = found?.suggested ? (found.changes?.paths ?? []) : [];
  return (
    <div class="model-test">
      <p>
        <button type="button" class="quiet small" disabled={busy} aria-busy={busy} onClick={() => void test()} aria-label={`Test ${model.displayName}`} title="Makes at most 10 small calls">
          {busy ? "Please wait…" : "Test"}
        </button>
      </p>
      {problem && <ProblemNotice problem={problem} />}
      {found && (
        <>
          <ul class="rows tight" aria-label={`What was found of ${model.displayName}`}>
            {found.features.map((each) => (
              <li key={each.feature} class="row still">
                <span class="row-main"><span>{each.feature.replaceAll("_", " ")}</span>{told(each) && <span class="faint text">{told(each)}</span>}</span>
                <span class="badges"><Badge tone={FOUND[each.outcome][0]}>{FOUND[each.outcome][1]}</Badge></span>
              </li>
            ))}
          </ul>
          {changes.length === 0 && <p class="faint">There is nothing to change in its settings.</p>}
          {changes.length > 0 && found.suggested && (
            <p>
              <span class="text">{saved ? "Saved: " : "These settings fit: "}{changes.map((path) => fitting(path, found.suggested!)).join("; ")}. </span>
              {!saved && <button type="button" class="small" disabled={busy} onClick={() => void save()}>Save these settings</button>}
            </p>
          )}
        </>
      )}
    </div>
  );
}

function told(one: FeatureTest): string {
  if (one.limit) return `${Number(one.limit).toLocaleString("en")} tokens`;
  const named = NAMED.filter((name) => one.metadata[name]).map((name) => `${name} ${one.metadata[name]}`).join(", ");
  return [one.detail, named].filter(Boolean).join(" · ");
}

function fitting(path: string, model: ModelConfig): string {
  switch (path) {
    case "image_support":
      return model.imageSupport === Images.IMAGES ? "it reads pictures" : "text only";
    case "context_tokens":
      return `context of ${model.contextTokens.toLocaleString("en")} tokens`;
  }
  return model.settings ? JSON.stringify(toJson(RequestSettingsSchema, model.settings, { useProtoFieldName: true })) : "no settings";
}
