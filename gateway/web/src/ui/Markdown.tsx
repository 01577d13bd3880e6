/** An answer's Markdown, drawn as elements. Direct text is in the direction of its outermost block. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { visible } from "../lib/invisible.js";
import { type Block, type Inline, parseMarkdown, plainText } from "../lib/markdown.js";
import { addressOf, namesHost } from "../lib/address.js";
import { Copy } from "./Copy.js";

/** Hidden characters are marked before the text is read, so that they change no sign and no address. */
export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => parseMarkdown(visible(text)), [text]);
  return <div class="prose" dir={undefined}>{blocks.map((each, n) => <Shown key={n} block={each} dir="auto" />)}</div>;
}

/** `dir` is given to the outermost block only. */
function Shown({ block, dir }: { block: Block; dir?: "auto" }) {
  switch (block.kind) {
    case "paragraph":
      return <p dir={dir}>{inlines(block.inlines)}</p>;
    case "line":
      return <>{inlines(block.inlines)}</>;
    case "heading":
      return <p class={`heading h${block.depth}`} role="heading" aria-level={Math.min(6, block.depth + 2)} dir={dir}>{inlines(block.inlines)}</p>;
    case "code":
      return (
        <div class="code" dir={undefined}>
          <div class="code-head"><span class="faint">{block.info}</span><Copy text={block.text} what="Copy the code" /></div>
          <pre tabIndex={0} dir="auto"><code dir={undefined}>{block.text}</code></pre>
        </div>
      );
    case "quote":
      return <blockquote dir={dir}>{block.blocks.map((each, n) => <Shown key={n} block={each} />)}</blockquote>;
    case "list":
      return <List block={block} dir={dir} />;
    case "table":
      return <Table block={block} dir={dir} />;
    case "rule":
      return <hr />;
    case "plain":
      return <p class="plain-text" dir={dir}>{block.text}</p>;
  }
}

function List({ block, dir }: { block: Block & { kind: "list" }; dir?: "auto" }) {
  const items = block.items.map(({ checked, blocks }, n) => (
    <li key={n} class={checked === undefined ? undefined : "task"} dir={undefined}>
      {checked !== undefined && <input type="checkbox" checked={checked} disabled aria-label={checked ? "done" : "to do"} />}
      {blocks.map((each, m) => <Shown key={m} block={each} />)}
    </li>
  ));
  const name = block.loose ? "loose" : undefined;
  return block.ordered ? <ol class={name} start={block.start} dir={dir}>{items}</ol> : <ul class={name} dir={dir}>{items}</ul>;
}

function Table({ block: { align, head, rows }, dir }: { block: Block & { kind: "table" }; dir?: "auto" }) {
  const side = (n: number) => (align[n] ? `to-${align[n]}` : undefined);
  return (
    <div class="table" tabIndex={0} role="region" aria-label="Table">
      <table dir={dir}>
        <thead><tr>{head.map((cell, n) => <th key={n} class={side(n)} dir={undefined}>{inlines(cell)}</th>)}</tr></thead>
        <tbody>{rows.map((row, m) => <tr key={m}>{row.map((cell, n) => <td key={n} class={side(n)} dir={undefined}>{inlines(cell)}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}

function inlines(list: Inline[]): ComponentChildren[] {
  return list.map((each, n) => {
    if (typeof each === "string") return each;
    switch (each.kind) {
      case "code":
        return <code key={n} dir={undefined}>{each.text}</code>;
      case "break":
        return <br key={n} />;
      case "link":
        return <Link key={n} href={each.href} text={plainText(each.inlines)}>{inlines(each.inlines)}</Link>;
      default: {
        const Sign = each.kind;
        return <Sign key={n} dir={undefined}>{inlines(each.inlines)}</Sign>;
      }
    }
  });
}

/** Tells the host where its text does not. */
function Link({ href, text, children }: { href: string; text: string; children: ComponentChildren }) {
  const address = addressOf(href)!;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer" dir={undefined}>
      {children}
      {!namesHost(text, address) && <>{" "}<span class="host" dir="ltr">({address.host})</span></>}
    </a>
  );
}
