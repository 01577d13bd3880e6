// grpc-js with protos read at run time: ADDRESS TOKEN WORKSPACE PROTOS; prints one line of JSON.
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { randomUUID } from "node:crypto";

const [address, token, workspace, protos] = process.argv.slice(2);
const includeDirs = [protos, `${protos}/third_party`];
const options = { keepCase: true, longs: Number, defaults: true, oneofs: true, includeDirs };
const loaded = grpc.loadPackageDefinition(loader.loadSync("rota/chat/v1/chat.proto", options));
const chat = new loaded.rota.chat.v1.ChatService(address, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${token}`);
const call = (name, request) =>
  new Promise((done, failed) =>
    chat[name](request, metadata, (error, answer) => (error ? failed(error) : done(answer))),
  );

const root = new protobuf.Root();
root.resolvePath = (_, target) => `${protos}/third_party/${target}`;
root.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);
function reasonOf(error) {
  const packed = error.metadata.get("grpc-status-details-bin")[0];
  const status = root.lookupType("google.rpc.Status").decode(packed);
  return root.lookupType("google.rpc.ErrorInfo").decode(status.details[0].value).reason;
}

const { threads } = await call("ListThreads", { parent: workspace });
const creating = { parent: workspace, thread: { display_name: "Foreign" } };
const dry = await call("CreateThread", { ...creating, validate_only: true });
const made = await call("CreateThread", creating);
const first = [];
const stream = chat.SendMessage(
  { name: made.name, message: { parts: [{ text: "hello" }] }, request_id: randomUUID() },
  metadata,
);
stream.on("error", () => {});
for await (const frame of stream) {
  first.push(frame);
  if (first.length === 2) break;
}
stream.cancel();
const rest = [];
const watching = { name: first[0].started.turn, after_sequence: 2 };
for await (const frame of chat.WatchTurn(watching, metadata)) rest.push(frame);
const reason = await call("GetThread", { name: `${made.name}x` }).then(() => "", reasonOf);
console.log(
  JSON.stringify({
    listed: threads.length,
    dry: dry.name,
    title: made.display_name,
    first: first.map((frame) => frame.sequence),
    rest: rest.map((frame) => frame.sequence),
    completed: rest.at(-1).event === "completed",
    reason,
  }),
);
chat.close();
