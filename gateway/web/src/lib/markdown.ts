/** Markdown → blocks, which `ui/Markdown` draws. Never fails: what is too large or too deep is plain text. */
import { Lexer, type Token, type Tokens } from "marked";
import { addressOf } from "./address.js";

export type Inline =
  | string
  | { kind: "strong" | "em" | "del"; inlines: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "link"; href: string; inlines: Inline[] }
  | { kind: "break" };

export interface Item {
  /** Absent: not a task. */
  checked?: boolean;
  blocks: Block[];
}

export type Align = "left" | "center" | "right" | null;

export type Block =
  | { kind: "paragraph" | "line"; inlines: Inline[] }
  | { kind: "heading"; depth: number; inlines: Inline[] }
  | { kind: "code"; text: string; info: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; ordered: boolean; start: number; loose: boolean; items: Item[] }
  | { kind: "table"; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" }
  | { kind: "plain"; text: string };

const LONGEST = 100_000;
const DEEPEST = 24;
/** Emphasis costs the square of its signs in a block; this is some 50 ms in all. */
const EMPHASIS = 2_000_000;
const SIGNS = /[*_~]/g;
const NESTED = /^[ \t]*(?:(?:>|[-*+](?=[ \t]|$)|\d{1,9}[.)](?=[ \t]|$))[ \t]*)+/;
const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", mdash: "—", ndash: "–", hellip: "…", copy: "©" };

export function parseMarkdown(text: string): Block[] {
  if (text.length > LONGEST || isDeep(text)) return [{ kind: "plain", text }];
  try {
    return blocksOf(lex(text), 0);
  } catch {
    return [{ kind: "plain", text }];
  }
}

/** A line break is a break, as people write in chats. */
function lex(text: string): Token[] {
  const lexer = new Lexer({ gfm: true, breaks: true });
  const tokens = lexer.blockTokens(text.replace(/\r\n?/g, "\n"), lexer.tokens);
  let left = EMPHASIS;
  for (const { src, tokens: inlines } of lexer.inlineQueue) {
    left -= (src.match(SIGNS)?.length ?? 0) ** 2;
    if (left > 0) lexer.inlineTokens(src, inlines);
    else inlines.push({ type: "text", raw: src, text: src, escaped: true });
  }
  return tokens;
}

/** Whether a line lies in more lists and quotes than are drawn. */
function isDeep(text: string): boolean {
  return text.split("\n").some((line) => {
    const start = NESTED.exec(line)?.[0] ?? "";
    const indent = /^[ \t]*/.exec(start)![0].replaceAll("\t", "    ").length;
    return indent / 2 + (start.match(/>|[-*+]|\d+[.)]/g) ?? []).length > DEEPEST;
  });
}

function blocksOf(tokens: Token[], depth: number): Block[] {
  return tokens.flatMap((token): Block[] => {
    if (depth > DEEPEST) return [{ kind: "plain", text: token.raw }];
    switch (token.type) {
      case "space":
      case "def":
      case "checkbox":
        return [];
      case "paragraph":
        return [{ kind: "paragraph", inlines: inlinesOf(token.tokens, depth) }];
      case "text":
        return [{ kind: "line", inlines: inlinesOf(token.tokens ?? [token], depth) }];
      case "heading":
        return [{ kind: "heading", depth: token.depth, inlines: inlinesOf(token.tokens, depth) }];
      case "code":
        return [{ kind: "code", text: token.text, info: token.lang ?? "" }];
      case "blockquote":
        return [{ kind: "quote", blocks: blocksOf(token.tokens ?? [], depth + 1) }];
      case "list":
        return [listOf(token as Tokens.List, depth)];
      case "table":
        return [tableOf(token as Tokens.Table, depth)];
      case "hr":
        return [{ kind: "rule" }];
      default:
        return [{ kind: "plain", text: token.raw.replace(/\n+$/, "") }];
    }
  });
}

function listOf({ ordered, start, loose, items }: Tokens.List, depth: number): Block {
  return {
    kind: "list",
    ordered,
    start: start === "" ? 1 : start,
    loose,
    items: items.map((item) => ({
      ...(item.task ? { checked: item.checked === true } : {}),
      blocks: blocksOf(item.tokens, depth + 1),
    })),
  };
}

function tableOf({ align, header, rows }: Tokens.Table, depth: number): Block {
  const cells = (row: Tokens.TableCell[]) => row.map((cell) => inlinesOf(cell.tokens, depth));
  return { kind: "table", align, head: cells(header), rows: rows.map(cells) };
}

function inlinesOf(tokens: Token[] | undefined, depth: number): Inline[] {
  return joined((tokens ?? []).flatMap((token): Inline[] => {
    if (depth > DEEPEST) return [token.raw];
    switch (token.type) {
      case "strong":
      case "em":
      case "del":
        return [{ kind: token.type, inlines: inlinesOf(token.tokens, depth + 1) }];
      case "codespan":
        return [{ kind: "code", text: token.text }];
      case "br":
        return [{ kind: "break" }];
      case "link":
        return linkOf(token as Tokens.Link, token.autolink ? [token.text] : inlinesOf(token.tokens, depth + 1));
      case "image":
        return linkOf(token as Tokens.Image, [decoded(token.text) || token.href]);
      case "text":
        return token.tokens ? inlinesOf(token.tokens, depth + 1) : [token.escaped ? token.text : decoded(token.text)];
      case "escape":
        return [token.text];
      case "checkbox":
        return [];
      default:
        return [token.raw];
    }
  }));
}

/** What is no address to follow is told as it was written. */
function linkOf(token: Tokens.Link | Tokens.Image, inlines: Inline[]): Inline[] {
  const address = addressOf(decoded(token.href));
  return address ? [{ kind: "link", href: address.href, inlines }] : [token.raw];
}

function joined(inlines: Inline[]): Inline[] {
  const found: Inline[] = [];
  for (const each of inlines) {
    if (typeof each === "string" && typeof found.at(-1) === "string") found.push(found.pop() + each);
    else found.push(each);
  }
  return found;
}

function decoded(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]{2,6}));/g, (whole, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}

/** The text without its signs. */
export function plainText(inlines: Inline[]): string {
  return inlines
    .map((each) => (typeof each === "string" ? each : each.kind === "code" ? each.text : each.kind === "break" ? "\n" : plainText(each.inlines)))
    .join("");
}
