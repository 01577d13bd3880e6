/** The forms of a schedule, of which a trigger has exactly one. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject, objectOf } from "../lib/json.js";
import { now } from "../lib/now.js";

/** What has no meaning in a form: the service refuses it there. */
const NOT_OF_ONE_MOMENT = ["start_time", "end_time", "max_fires", "excluded_dates", "day_match"];
const NOT_OF_ELAPSED_TIME = ["on_gap", "on_fold"];
const DAY = 86_400_000;
const LOCAL = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)/;

/** The properties of which a schema requires exactly one; none of most schemas. */
export function formsOf(schema: JsonObject): string[] {
  const alternatives = Array.isArray(schema.oneOf) ? schema.oneOf : [];
  return alternatives.flatMap((each) => {
    const required = objectOf(each).required;
    return Array.isArray(required) && required.length === 1 ? [String(required[0])] : [];
  });
}

/** The settings that a form of a schedule has no use for. */
export function uselessIn(form: string, config: JsonObject): string[] {
  if (form === "at") return NOT_OF_ONE_MOMENT;
  if (form !== "every") return [];
  const unit = String(objectOf(config.every).unit);
  return ["day_match", ...(unit === "minutes" || unit === "hours" ? NOT_OF_ELAPSED_TIME : [])];
}

/**
 * The schedule in another form: as it was `kept` when it was in that form, or else at the same time
 * of day if it had one. Returns also what is kept of the other forms.
 */
export function inForm(config: JsonObject, forms: string[], form: string, kept: JsonObject = {}): { config: JsonObject; kept: JsonObject } {
  const local = momentOf(config);
  const [, hour = "09", minute = "00"] = /T(\d\d):(\d\d)/.exec(local) ?? [];
  const fresh: Record<string, JsonValue> = {
    cron: `${Number(minute)} ${Number(hour)} * * *`,
    at: local,
    every: { unit: "days", count: 1, anchor: local },
  };
  const changed = { [form]: fresh[form] ?? "", ...kept, ...config };
  const lost = [...forms.filter((each) => each !== form), ...uselessIn(form, changed)];
  const part = (isLost: boolean) => Object.fromEntries(Object.entries(changed).filter(([key]) => lost.includes(key) === isLost));
  return { config: part(false), kept: part(true) };
}

/** The moment or the anchor of a schedule if it is to come, or else its time of day tomorrow. */
function momentOf(config: JsonObject): string {
  const given = String(config.at ?? objectOf(config.every).anchor ?? "");
  const tomorrow = dayOf(now.value + DAY);
  const found = LOCAL.exec(given);
  if (found) return found[1]! >= tomorrow ? given : `${tomorrow}T${found[2]}:${found[3]}`;
  const [minute, hour] = String(config.cron ?? "").split(" ");
  const isClock = [minute, hour].every((each) => /^\d{1,2}$/.test(each ?? ""));
  return `${tomorrow}T${isClock ? `${hour!.padStart(2, "0")}:${minute!.padStart(2, "0")}` : "09:00"}`;
}

function dayOf(time: number): string {
  const day = new Date(time);
  const part = (value: number) => String(value).padStart(2, "0");
  return `${day.getFullYear()}-${part(day.getMonth() + 1)}-${part(day.getDate())}`;
}

/** `every 90 minutes from 2027-03-01 09:00`; empty for anything else. */
export function intervalOf(value: JsonValue | undefined): string {
  if (!isObject(value) || !isInterval(value)) return "";
  return `every ${value.count} ${value.unit} from ${String(value.anchor).replace("T", " ")}`;
}

export function isInterval(value: JsonValue): boolean {
  if (!isObject(value) || Object.keys(value).length !== 3) return false;
  return typeof value.count === "number" && typeof value.unit === "string" && typeof value.anchor === "string";
}
