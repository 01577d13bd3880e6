/** Characters that nobody sees, shown as marks: the rule of shared/text/invisible_characters.py. */

type Ranges = readonly (readonly [number, number])[];

const MARK = "\ufffd";
const SUSPECT: Ranges = [
  [0x00, 0x08], [0x0b, 0x1f], [0x7f, 0x9f], [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160],
  [0x17b4, 0x17b5], [0x180b, 0x180f], [0x200b, 0x200f], [0x2028, 0x202e], [0x2060, 0x206f], [0x3164, 0x3164],
  [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xfffb], [0x1bca0, 0x1bca3], [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff],
];
const JOINED: Ranges = [
  [0x600, 0x8ff], [0x900, 0x109f], [0x1700, 0x18af], [0x1900, 0x1cff], [0xa800, 0xabff], [0xfb50, 0xfdff],
  [0xfe70, 0xfefe], [0x10a00, 0x10fff], [0x11000, 0x11fff], [0x1e900, 0x1e95f],
];
const UNSPACED: Ranges = [[0xe00, 0xfff], [0x1000, 0x109f], [0x1780, 0x17ff], [0x1950, 0x1aaf], [0xaa60, 0xaadf]];
const RIGHT_TO_LEFT: Ranges = [[0x590, 0x61b], [0x61d, 0x8ff], [0xfb1d, 0xfdff], [0xfe70, 0xfefe], [0x10800, 0x10fff], [0x1e800, 0x1efff]];
const IDEOGRAPH: Ranges = [[0x2e80, 0x9fff], [0xf900, 0xfaff], [0x20000, 0x3ffff]];
const JAMO: Ranges = [[0x1100, 0x11ff], [0xa960, 0xa97f], [0xd7b0, 0xd7ff]];
const KEYCAP: Ranges = [[0x23, 0x23], [0x2a, 0x2a], [0x30, 0x39]];
const EMOJI: Ranges = [
  [0xa9, 0xa9], [0xae, 0xae], [0x203c, 0x203c], [0x2049, 0x2049], [0x20e3, 0x20e3], [0x2122, 0x2122], [0x2139, 0x2139],
  [0x2190, 0x2bff], [0x3030, 0x3030], [0x303d, 0x303d], [0x3297, 0x3297], [0x3299, 0x3299], [0x1f000, 0x1faff],
];
const SUSPECTS = new RegExp(`[${SUSPECT.map((pair) => pair.map((code) => `\\u{${code.toString(16)}}`).join("-")).join("")}]`, "u");
const FLAG = /\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{2,6}\u{e007f}/gu;

/** Returns the text with a mark in place of each invisible character that its script or emoji does not need. */
export function visible(text: string): string {
  if (!SUSPECTS.test(text)) return text;
  const characters = Array.from(text);
  const codes = characters.map((each) => each.codePointAt(0)!);
  const flags = flagged(text);
  const direction = directed(codes);
  return characters
    .map((each, at) => {
      if (!isIn(codes[at]!, SUSPECT) || flags.has(at) || isPlain(codes, at, direction)) return each;
      codes[at] = MARK.codePointAt(0)!; // what is not plain itself makes nothing plain
      return MARK;
    })
    .join("");
}

function isPlain(codes: number[], at: number, direction: boolean[]): boolean {
  const [code, before, after] = [codes[at]!, codes[at - 1] ?? -1, codes[at + 1] ?? -1];
  switch (code) {
    case 0x0d:
      return after === 0x0a;
    case 0x34f:
      return (before >= 0x300 && before <= 0x36f) || isIn(before, RIGHT_TO_LEFT) || isIn(before, JOINED);
    case 0x61c:
    case 0x200e:
    case 0x200f:
      return direction[at]!;
    case 0x115f:
    case 0x1160:
      return isIn(before, JAMO) || beginsSyllable(codes, at + 1);
    case 0x200b:
      return isIn(before, UNSPACED);
    case 0x200c:
      return isIn(before, JOINED);
    case 0x200d:
      return isIn(before, JOINED) || (endsEmoji(codes, at) && isIn(after, EMOJI));
  }
  if (code >= 0x180b && code <= 0x180f) return before >= 0x1800 && before <= 0x18af && !(before >= 0x180b && before <= 0x180f);
  if (code >= 0xfe00 && code <= 0xfe0f) return isIn(before, KEYCAP) ? after === 0x20e3 : [EMOJI, IDEOGRAPH, JOINED].some((of) => isIn(before, of));
  return code >= 0xe0100 && code <= 0xe01ef && isIn(before, IDEOGRAPH);
}

/** Whether a letter of Hangul, or a filler before one, is there. */
function beginsSyllable(codes: number[], at: number): boolean {
  const code = codes[codes[at] === 0x1160 ? at + 1 : at] ?? -1;
  return isIn(code, JAMO) && !isIn(code, SUSPECT);
}

function endsEmoji(codes: number[], at: number): boolean {
  const before = codes[at - 1] ?? -1;
  if (before === 0xe007f || before === 0xfe0f) return at > 1 && (before === 0xe007f || isIn(codes[at - 2]!, EMOJI));
  return isIn(before, EMOJI);
}

/** Places, in code points, of the tags of flags. */
function flagged(text: string): Set<number> {
  const found = new Set<number>();
  for (const flag of text.matchAll(FLAG)) {
    const start = Array.from(text.slice(0, flag.index)).length;
    Array.from(flag[0]).forEach((_, n) => n && found.add(start + n));
  }
  return found;
}

/** Whether the line around each place has a letter that is written from right to left. */
function directed(codes: number[]): boolean[] {
  const found: boolean[] = [];
  for (let start = 0; start <= codes.length; ) {
    const next = codes.indexOf(0x0a, start);
    const end = next < 0 ? codes.length : next;
    const is = codes.slice(start, end).some((code) => isIn(code, RIGHT_TO_LEFT));
    for (let at = start; at <= end; at++) found.push(is);
    start = end + 1;
  }
  return found;
}

function isIn(code: number, ranges: Ranges): boolean {
  return ranges.some(([first, last]) => first <= code && code <= last);
}
