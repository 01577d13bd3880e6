/** A person's message: text, mentions and images. */
import type { Image, Mention, Part } from "../gen/rota/chat/v1/chat_pb.js";
import { href, resourceHref } from "../lib/router.js";
import { idOf } from "../lib/rpc.js";
import { Icon } from "../ui/Icon.js";
import { urlOf } from "./images.js";
import { UNTITLED } from "./models.js";

export function UserMessage({ parts }: { parts: Part[] }) {
  const texts = parts.flatMap(({ part }) => (part.case === "text" ? [part.value] : []));
  const images = parts.flatMap(({ part }) => (part.case === "image" ? [part.value] : []));
  const mentions = parts.flatMap(({ part }) => (part.case === "mention" ? [part.value] : []));
  const apart = mentions.filter((each) => !texts.some((text) => text.includes(written(each))));
  return (
    <>
      {images.length > 0 && <div class="pictures">{images.map((each, n) => <Picture key={n} image={each} />)}</div>}
      {texts.map((text, n) => <p key={n}>{linked(text, mentions)}</p>)}
      {apart.length > 0 && <p>{apart.map((each) => <Linked key={each.name} mention={each} />)}</p>}
    </>
  );
}

function Picture({ image }: { image: Image }) {
  const shown = urlOf(image);
  if (shown) return <img src={shown} alt="A picture you sent" />;
  return <span class="picture-kept"><Icon name="picture" />A picture{image.mimeType && ` (${image.mimeType.replace("image/", "")})`}</span>;
}

const written = (mention: Mention) => `@${mention.displayName || (mention.name.includes("/threads/") ? UNTITLED : mention.name)}`;

function linked(text: string, mentions: Mention[]) {
  const named = mentions.filter((each) => text.includes(written(each)));
  if (!named.length) return text;
  const signs = named.map((each) => written(each).replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pieces = text.split(new RegExp(`(${signs.sort((a, b) => b.length - a.length).join("|")})`));
  return pieces.map((piece, n) => {
    const mention = named.find((each) => written(each) === piece);
    return mention ? <Linked key={n} mention={mention} /> : piece;
  });
}

function Linked({ mention }: { mention: Mention }) {
  if (!mention.displayName) return <span class="mention" title="There is no such thing here, or you may not read it.">{written(mention)} (left out)</span>;
  const to = resourceHref(mention.name) ?? (mention.name.includes("/threads/") ? href("chat", idOf(mention.name)) : undefined);
  return <a class="mention" href={to}>{written(mention)}</a>;
}
