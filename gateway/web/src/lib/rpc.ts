/** The services, over gRPC-Web. */
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { AutomationService } from "../gen/rota/automation/v1/automation_pb.js";
import { DeliveryService } from "../gen/rota/automation/v1/delivery_pb.js";
import { DestinationService } from "../gen/rota/automation/v1/destination_pb.js";
import { InboxService } from "../gen/rota/automation/v1/inbox_pb.js";
import { NoticeSettingsService } from "../gen/rota/automation/v1/notice_settings_pb.js";
import { ChatService } from "../gen/rota/chat/v1/chat_pb.js";
import { setOnline } from "./network.js";
import { dropToken, learnRole, scope, token } from "./session.js";

const authorised: Interceptor = (next) => async (request) => {
  const [used, here] = [token.value, scope()];
  request.header.set("authorization", `Bearer ${used}`);
  try {
    // Nothing reaches a person who did not ask for it: streams end, and late answers count as none.
    const answer = await next({ ...request, signal: AbortSignal.any([request.signal, here]) });
    if (here.aborted) throw new ConnectError("another person or workspace is looked at", Code.Canceled);
    setOnline(true);
    return answer;
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const refused = error.code === Code.Unauthenticated;
    if (refused && token.value === used) dropToken("That token is no longer taken. Sign in again.");
    if (here.aborted) throw thrown;
    const role = error.code === Code.PermissionDenied && error.findDetails(ErrorInfoSchema)[0]?.metadata.role;
    if (role) learnRole(role);
    if (error.code === Code.Unavailable || /fetch|network/i.test(error.rawMessage)) setOnline(false);
    throw thrown;
  }
};

const transport = createGrpcWebTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [authorised],
});

export const chat = createClient(ChatService, transport);
export const automations = createClient(AutomationService, transport);
export const deliveries = createClient(DeliveryService, transport);
export const destinations = createClient(DestinationService, transport);
export const inbox = createClient(InboxService, transport);
export const noticeSettings = createClient(NoticeSettingsService, transport);

/** The last segment of a resource name. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

export function requestId(): string {
  // randomUUID is there only on https and localhost.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 15) | 64;
  bytes[8] = (bytes[8]! & 63) | 128;
  const hex = Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
