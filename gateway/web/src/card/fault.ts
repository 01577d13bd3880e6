/** What is wrong with the value of a field by its schema, before the service is asked. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject } from "../lib/json.js";

export const NOT_JSON = "Not JSON yet.";
const LOCAL_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/;
const TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)$/;

/** Empty: nothing, as far as the page knows. */
export function faultOf(schema: JsonObject, value: JsonValue | undefined, required = false): string {
  if (value === undefined || value === null) return required ? "It can't be left out." : "";
  if (Array.isArray(schema.enum)) return schema.enum.includes(value) ? "" : "Not one of the choices.";
  switch (schema.type) {
    case "string":
      return textFault(schema, value);
    case "integer":
    case "number":
      return numberFault(schema, value);
    case "boolean":
      return typeof value === "boolean" ? "" : "Neither yes nor no.";
    case "array":
      return Array.isArray(value) ? "" : "Not a list.";
    case "object":
      return isObject(value) ? "" : "Not an object of JSON.";
  }
  return "";
}

/** Whether a text is a local time, without an offset: its schema has the pattern of one. */
export function isLocalTime({ pattern }: JsonObject): boolean {
  return typeof pattern === "string" && pattern.startsWith("^[0-9]{4}-[0-9]{2}-[0-9]{2}T");
}

function textFault(schema: JsonObject, value: JsonValue): string {
  const { format, minLength, maxLength } = schema;
  if (typeof value !== "string") return "Not a text.";
  const length = Array.from(value).length;
  if (typeof minLength === "number" && length < minLength) return length ? `Shorter than ${minLength} characters.` : "It can't be empty.";
  if (typeof maxLength === "number" && length > maxLength) return `Longer than ${maxLength.toLocaleString("en")} characters.`;
  if (format === "date-time" && !(TIME.test(value) && Number.isFinite(Date.parse(value)))) return "Not a time yet, such as 2027-01-31T09:00:00Z.";
  if (isLocalTime(schema) && !(LOCAL_TIME.test(value) && Number.isFinite(Date.parse(`${value}Z`)))) return "Not a local time yet, such as 2027-01-31T09:00.";
  return "";
}

function numberFault({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonObject, value: JsonValue): string {
  if (typeof value !== "number") return "Not a number yet.";
  if (type === "integer" && !Number.isInteger(value)) return "Not a whole number.";
  if (typeof minimum === "number" && value < minimum) return `Less than ${minimum}.`;
  if (typeof maximum === "number" && value > maximum) return `More than ${maximum.toLocaleString("en")}.`;
  if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) return `It must be more than ${exclusiveMinimum}.`;
  if (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum) return `It must be less than ${exclusiveMaximum}.`;
  return "";
}
