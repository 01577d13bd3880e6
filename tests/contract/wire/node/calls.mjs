// The same calls over gRPC-Web, as a page makes them, and over Connect; prints what came as JSON.
import { randomUUID } from "node:crypto";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ChatService } from "./gen/rota/chat/v1/chat_pb.js";

const [baseUrl, token, workspace] = process.argv.slice(2);

const authorize = (next) => (request) => {
  request.header.set("authorization", `Bearer ${token}`);
  return next(request);
};
const options = { baseUrl, interceptors: [authorize] };
const transports = {
  "grpc-web": createGrpcWebTransport({ ...options, useBinaryFormat: true }),
  "connect": createConnectTransport({ ...options, useBinaryFormat: true }),
  "connect-json": createConnectTransport({ ...options, useBinaryFormat: false }),
};

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

async function all(stream) {
  const frames = [];
  for await (const frame of stream) {
    frames.push({ sequence: frame.sequence, kind: frame.event.case });
  }
  return frames;
}

async function told(transport) {
  const chat = createClient(ChatService, transport);
  const thread = await chat.createThread({
    parent: workspace,
    thread: { displayName: "From Node" },
  });
  const said = {
    name: thread.name,
    message: { parts: [{ part: { case: "text", value: "hello" } }] },
    requestId: randomUUID(),
  };
  const frames = await all(chat.sendMessage(said));
  const read = await chat.getThread({ name: thread.name });
  return {
    title: read.displayName,
    frames,
    missing: await refusal(chat.getThread({ name: `${workspace}/threads/none` })),
    unknown: await refusal(chat.listThreads({ parent: workspace, pageSize: -1 })),
    unwatched: await refusal(all(chat.watchTurn({ name: `${thread.name}/turns/none` }))),
  };
}

const found = {};
for (const [wire, transport] of Object.entries(transports)) {
  found[wire] = await told(transport);
}
console.log(JSON.stringify(found));
