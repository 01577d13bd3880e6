/** A subset of Markdown: paragraphs, lists, headings, code, emphasis, links. */
import type { ComponentChildren } from "preact";

export function Markdown({ text }: { text: string }) {
  return <div class="prose">{blocks(text)}</div>;
}

function blocks(text: string): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; ) {
    const line = lines[i]!;
    const taken = (is: (line: string) => boolean): string[] => {
      const from = i;
      while (i < lines.length && is(lines[i]!)) i++;
      return lines.slice(from, i);
    };
    if (/^```/.test(line)) {
      i++;
      const code = taken((each) => !/^```/.test(each));
      i++;
      found.push(<pre tabIndex={0}><code>{code.join("\n")}</code></pre>);
    } else if (/^\s*[-*] /.test(line)) {
      const items = taken((each) => /^\s*[-*] /.test(each));
      found.push(<ul>{items.map((each) => <li>{inline(each.replace(/^\s*[-*] /, ""))}</li>)}</ul>);
    } else if (/^\s*\d+[.)] /.test(line)) {
      const items = taken((each) => /^\s*\d+[.)] /.test(each));
      found.push(<ol>{items.map((each) => <li>{inline(each.replace(/^\s*\d+[.)] /, ""))}</li>)}</ol>);
    } else if (/^#{1,6} /.test(line)) {
      i++;
      found.push(<p class="heading">{inline(line.replace(/^#+ /, ""))}</p>);
    } else if (!line.trim()) {
      i++;
    } else {
      const some = taken((each) => each.trim() !== "" && !/^(```|\s*[-*] |\s*\d+[.)] |#{1,6} )/.test(each));
      found.push(<p>{some.flatMap((each, n) => [n ? <br /> : null, ...inline(each)])}</p>);
    }
  }
  return found;
}

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:[^)\s]+)\)|(https?:\/\/[^\s<>"')]+)/g;

function inline(text: string): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    found.push(text.slice(from, match.index));
    const [whole, code, strong, em, title, link, bare] = match;
    if (code) found.push(<code>{code}</code>);
    else if (strong) found.push(<strong>{strong}</strong>);
    else if (em) found.push(<em>{em}</em>);
    else found.push(<a href={link ?? bare} target="_blank" rel="noopener noreferrer">{title ?? bare}</a>);
    from = match.index + whole.length;
  }
  found.push(text.slice(from));
  return found;
}
