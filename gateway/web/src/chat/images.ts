/** Images of a message: checks, upload and local preview. */
import { base64Encode } from "@bufbuild/protobuf/wire";
import type { Image } from "../gen/rota/chat/v1/chat_pb.js";
import { onLeave } from "../lib/session.js";

export interface AttachedImage {
  id: number;
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
  /** Its `data:` URL. */
  shown: string;
}

const MIB = 1024 * 1024;
const LARGEST = 5 * MIB;
// A whole message may have 8 MiB.
const ALL = 7.5 * MIB;
const MOST = 20;
const START: [string, RegExp][] = [
  ["image/png", /^\x89PNG\r\n\x1a\n/],
  ["image/jpeg", /^\xff\xd8\xff/],
  ["image/gif", /^GIF8[79]a/],
  ["image/webp", /^RIFF.{4}WEBP/s],
];

let last = 0;

/** Returns the images that the message can take, and the reasons against the others. */
export async function attachImages(files: File[], before: AttachedImage[]): Promise<{ images: AttachedImage[]; refused: string[] }> {
  const [images, refused] = [[] as AttachedImage[], [] as string[]];
  for (const file of files) {
    const name = file.name || "The picture";
    if (before.length + images.length >= MOST) refused.push(`${name}: at most ${MOST} pictures go with a message.`);
    else if (file.size > LARGEST) refused.push(`${name} is larger than 5 MiB.`);
    else if (total([...before, ...images]) + file.size > ALL) refused.push(`${name}: pictures of one message may have 7.5 MiB together.`);
    else {
      const bytes = await read(file);
      if (!bytes) refused.push(`${name} can't be read.`);
      else if (imageType(bytes)) images.push({ id: ++last, name, bytes, shown: dataUrl(bytes) });
      else refused.push(`${name} is not a png, jpeg, webp or gif.`);
    }
  }
  return { images, refused };
}

async function read(file: File): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    return undefined; // moved or deleted since it was chosen
  }
}

/** Returns the media type from the first bytes; empty for an unsupported type. */
export function imageType(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  return START.find(([, is]) => is.test(start))?.[0] ?? "";
}

const addresses = new WeakMap<Uint8Array, string>();

function dataUrl(bytes: Uint8Array): string {
  // Once: it is asked for whenever something beside it is drawn anew.
  const address = addresses.get(bytes) ?? `data:${imageType(bytes)};base64,${base64Encode(bytes)}`;
  addresses.set(bytes, address);
  return address;
}

const seen = new Map<string, string>();

onLeave(() => seen.clear());

/** Keeps the image while the page is open: the service returns only its hash. */
export async function cacheImage(image: AttachedImage): Promise<void> {
  // Only https and localhost have `subtle`.
  const digest = await globalThis.crypto.subtle?.digest("SHA-256", image.bytes);
  if (!digest) return;
  const hex = [...new Uint8Array(digest)].map((each) => each.toString(16).padStart(2, "0")).join("");
  seen.set(`sha256:${hex}`, image.shown);
}

/** Of its bytes, or of what was sent under its reference from here. */
export function urlOf({ source }: Image): string | undefined {
  if (source.case === "data") return dataUrl(source.value);
  return source.case === "uri" ? seen.get(source.value) : undefined;
}

/** In base64, while the page knows them: of an image that was sent from here since it was opened. */
export function bytesOf(image: Image): string | undefined {
  return urlOf(image)?.split(",")[1];
}

function total(images: AttachedImage[]): number {
  return images.reduce((sum, each) => sum + each.bytes.length, 0);
}
