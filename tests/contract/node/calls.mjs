// Calls over gRPC-Web, as a page makes them; prints what came as one line of JSON.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ChatService } from "./gen/rota/chat/v1/chat_pb.js";

const [baseUrl, token, workspace, requestId] = process.argv.slice(2);

const authorize = (next) => (request) => {
  request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};
const transport = createGrpcWebTransport({
  baseUrl,
  useBinaryFormat: true,
  interceptors: [authorize],
});
const chat = createClient(ChatService, transport);

async function refusal(call) {
  try {
    await call;
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const infos = error.findDetails(ErrorInfoSchema);
    return { code: Code[error.code], reasons: infos.map((info) => info.reason) };
  }
  return null;
}

const thread = await chat.createThread({
  parent: workspace,
  thread: { displayName: "From Node" },
});
const frames = [];
const said = {
  name: thread.name,
  message: { parts: [{ part: { case: "text", value: "hello" } }] },
  requestId,
};
for await (const frame of chat.sendMessage(said)) {
  frames.push({ sequence: frame.sequence, kind: frame.event.case });
}
const missing = await refusal(chat.getThread({ name: `${workspace}/threads/none` }));
const unknown = await refusal(chat.listThreads({ parent: workspace, pageSize: -1 }));
const read = await chat.getThread({ name: thread.name });

console.log(JSON.stringify({ title: read.displayName, frames, missing, unknown }));
