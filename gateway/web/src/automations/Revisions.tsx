/** The revisions of a definition, and the changes between them. */
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { useEffect, useState } from "preact/hooks";
import { type Automation, Automation_State as State, AutomationDefinitionSchema, type Revision } from "../gen/rota/automation/v1/automation_pb.js";
import { announce } from "../lib/announce.js";
import { pretty } from "../lib/json.js";
import { useList, useQuery } from "../lib/query.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { automations, requestId } from "../lib/rpc.js";
import { mayAct } from "../lib/session.js";
import { dateOf, nearby } from "../lib/time.js";
import { Diff } from "../ui/Diff.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Badge, Skeleton, ProblemNotice } from "../ui/parts.js";

export function Revisions({ it, again }: { it: Automation; again: () => void }) {
  const list = useList(
    async (pageToken) => {
      const page = await automations.listRevisions({ parent: it.name, pageSize: 50, pageToken });
      return { items: page.revisions, next: page.nextPageToken };
    },
    it.name,
    30_000,
  );
  useEffect(() => void list.refresh(), [it.revision]);
  const [value, problem] = [list.items.value, list.problem.value];
  const [open, show] = useState<number>();
  if (problem?.code === Code.Unimplemented) return null;
  return (
    <section class="panel">
      <h2>Revisions</h2>
      {problem && <ProblemNotice problem={problem} />}
      {!value && !problem && <Skeleton rows={1} what="Loading revisions" />}
      <ul class="rows tight">
        {value?.map((revision) => (
          <li key={revision.name}>
            <button type="button" class="row" aria-expanded={open === revision.revision} onClick={() => show(open === revision.revision ? undefined : revision.revision)}>
              <span class="row-main">Revision {revision.revision}</span>
              {revision.revision === it.revision && <Badge tone="good">Current</Badge>}
              <span class="faint">{[revision.author.replace("users/", ""), said(revision)].filter(Boolean).join(", ")}</span>
              <Icon name="chevron" />
            </button>
            {open === revision.revision && <Change it={it} number={revision.revision} again={again} />}
          </li>
        ))}
      </ul>
      <More list={list} what="revisions" earlier />
    </section>
  );
}

function said(revision: Revision): string {
  const date = dateOf(revision.createTime);
  return date ? nearby(date) : "";
}

function Change({ it, number, again }: { it: Automation; number: number; again: () => void }) {
  const [refused, blame] = useState<Problem>();
  const text = async (revision: number): Promise<string> => {
    const { definition } = await automations.getRevision({ name: `${it.name}/revisions/${revision}` });
    const json: JsonValue = definition ? toJson(AutomationDefinitionSchema, definition, { useProtoFieldName: true }) : {};
    return pretty(json);
  };
  const { value, problem } = useQuery(
    () => Promise.all([number > 1 ? text(number - 1) : "", text(number)]),
    `${it.name} ${number}`,
    600_000,
  );
  const back = async () => {
    try {
      await automations.rollbackAutomation({ name: it.name, revision: number, etag: it.etag, requestId: requestId() });
      announce(`Revision ${number} is current again.`);
      again();
    } catch (thrown) {
      blame(problemOf(thrown));
    }
  };
  if (!value) return problem ? <ProblemNotice problem={problem} /> : <Skeleton rows={3} />;
  return (
    <div class="change">
      <p class="faint">{number > 1 ? `What changed since revision ${number - 1}` : "As it was approved"}</p>
      {number > 1 ? <Diff before={value[0]} after={value[1]} /> : <pre tabIndex={0}>{value[1]}</pre>}
      {number !== it.revision && it.state !== State.ARCHIVED && mayAct.value && (
        <button type="button" class="quiet small" onClick={() => void back()}>Make revision {number} current again</button>
      )}
      {refused && <ProblemNotice problem={refused} />}
    </div>
  );
}
