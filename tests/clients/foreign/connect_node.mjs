// connect-node by gRPC over HTTP/2: ADDRESS TOKEN WORKSPACE; prints one line of JSON.
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { randomUUID } from "node:crypto";

import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ChatService } from "./gen/rota/chat/v1/chat_pb.js";

const [address, token, workspace] = process.argv.slice(2);
const authorize = (next) => (request) => {
  request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};
const transport = createGrpcTransport({ baseUrl: `http://${address}`, interceptors: [authorize] });
const chat = createClient(ChatService, transport);

const { threads } = await chat.listThreads({ parent: workspace });
const creating = { parent: workspace, thread: { displayName: "Foreign" } };
const dry = await chat.createThread({ ...creating, validateOnly: true });
const made = await chat.createThread(creating);
const first = [];
const message = { parts: [{ part: { case: "text", value: "hello" } }] };
for await (const frame of chat.sendMessage({
  name: made.name,
  message,
  requestId: randomUUID(),
})) {
  first.push(frame);
  if (first.length === 2) break;
}
const rest = [];
const watching = { name: first[0].event.value.turn, afterSequence: 2 };
for await (const frame of chat.watchTurn(watching)) rest.push(frame);
const reason = await chat.getThread({ name: `${made.name}x` }).then(
  () => "",
  (thrown) => ConnectError.from(thrown).findDetails(ErrorInfoSchema)[0].reason,
);
console.log(
  JSON.stringify({
    listed: threads.length,
    dry: dry.name,
    title: made.displayName,
    first: first.map((frame) => frame.sequence),
    rest: rest.map((frame) => frame.sequence),
    completed: rest.at(-1).event.case === "completed",
    reason,
  }),
);
process.exit(0);
