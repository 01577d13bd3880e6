/** A schedule in words, and its next fires. */
import type { Preview, PreviewSlot } from "../gen/rota/chat/v1/chat_pb.js";
import { zone } from "../lib/session.js";
import { dateOf, moment, offset, until, wallClock } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { PASSED } from "./preview.js";

/**
 * `brief` omits the time until each fire, for two previews side by side. `outdated`: it is of an
 * earlier schedule. `none` is said where no fire is listed.
 */
export function SchedulePreview({ preview, busy, brief, outdated, none }: { preview: Preview | undefined; busy?: boolean; brief?: boolean; outdated?: boolean; none?: string }) {
  if (!preview) return <p class="faint">It has no schedule: nothing starts it.</p>;
  const elsewhere = preview.slots.some((slot) => slot.timeZone !== zone && isElsewhere(slot));
  return (
    <div class={outdated ? "when outdated" : "when"} aria-busy={busy}>
      {outdated && <p class="assumed" role="status"><Icon name="warning" />The schedule above has a fault. This is the last one without:</p>}
      <p class="sentence" aria-live="polite">{preview.summary || none || "It has no schedule: nothing starts it."}</p>
      {preview.timeZoneAssumed && (
        <p class="assumed"><Icon name="warning" />You named no time zone, so {preview.slots[0]?.timeZone ?? "one"} is assumed. Edit it if that is wrong.</p>
      )}
      {preview.slots.length > 0 && (
        <ol class="fires" aria-label="Next fires">
          {preview.slots.map((slot, n) => <Fire key={n} slot={slot} elsewhere={elsewhere} brief={brief} />)}
        </ol>
      )}
      {preview.summary && !preview.slots.length && none && <p class="note">{none}</p>}
      {preview.summary && !preview.slots.length && !none && !preview.notes.includes(PASSED) && <p class="assumed"><Icon name="warning" />It would never fire.</p>}
      {preview.notes.filter((note) => !preview.timeZoneAssumed || !/is assumed/.test(note)).map((note) => <p key={note} class="note">{note}</p>)}
    </div>
  );
}

/** Whether clocks there show another time than the person's. */
function isElsewhere({ fireTime, localTime }: PreviewSlot): boolean {
  const date = dateOf(fireTime);
  return date !== undefined && moment(date) !== wallClock(localTime);
}

function Fire({ slot, elsewhere, brief }: { slot: PreviewSlot; elsewhere: boolean; brief?: boolean }) {
  const date = dateOf(slot.fireTime);
  if (!date) return null;
  return (
    <li>
      <time dateTime={date.toISOString()}>{elsewhere ? moment(date) : wallClock(slot.localTime)}</time>
      {(elsewhere || !brief) && <span class="faint">
        {elsewhere ? `your time; ${wallClock(slot.localTime)} in ${slot.timeZone}` : until(date)}
        {elsewhere && ` (${offset(Number(slot.utcOffset?.seconds ?? 0n))})`}
      </span>}
      {slot.dstNote && <span class="dst">{slot.dstNote}</span>}
    </li>
  );
}
