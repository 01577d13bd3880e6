/** The fields of an object that have no place of their own on a card. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject } from "../lib/json.js";

/** What a card reads a field as; a field of another type has no place of its own. */
export type Place = (value: JsonValue) => boolean;

export const isText: Place = (value) => typeof value === "string";
export const isNumber: Place = (value) => typeof value === "number";
export const isSwitch: Place = (value) => typeof value === "boolean";
export const isTexts: Place = (value) => Array.isArray(value) && value.every(isText);
export const isObjects: Place = (value) => Array.isArray(value) && value.every(isObject);

/** Leaves out what `places` take and what is empty. */
export function restOf(value: JsonObject, places: Record<string, Place>): JsonObject {
  const left = Object.entries(value).filter(([key, each]) => each !== undefined && !isEmpty(each) && !(Object.hasOwn(places, key) && places[key]!(each)));
  return Object.fromEntries(left);
}

export function isEmpty(value: JsonValue): boolean {
  if (Array.isArray(value)) return !value.length;
  return isObject(value) ? !Object.keys(value).length : value === null || value === "";
}
