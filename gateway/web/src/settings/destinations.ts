/** The destinations that the person may see. */
import type { Destination } from "../gen/rota/automation/v1/destination_pb.js";
import { List } from "../lib/list.js";
import { poll } from "../lib/network.js";
import { destinations as service } from "../lib/rpc.js";
import { onLeave, workspace } from "../lib/session.js";

export const destinations = new List<Destination>(async (pageToken) => {
  const page = await service.listDestinations({ parent: workspace.value, pageSize: 100, pageToken });
  return { items: page.destinations, next: page.nextPageToken };
});

onLeave(() => destinations.clear());

/** Loads the destinations while a component needs them; returns the cleanup. */
export function watchDestinations(): () => void {
  return poll(() => void destinations.refresh(), 30_000);
}
