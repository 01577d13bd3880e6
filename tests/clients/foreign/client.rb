# Ruby's grpc: ADDRESS TOKEN WORKSPACE; prints what came as one line of JSON.
require "json"
require "securerandom"
require "google/rpc/status_pb"
require "google/rpc/error_details_pb"
require "rota/chat/v1/chat_services_pb"

address, token, workspace = ARGV
V1 = Rota::Chat::V1
chat = V1::ChatService::Stub.new(address, :this_channel_is_insecure)
told = { metadata: { "authorization" => "Bearer #{token}" } }

listed = chat.list_threads(V1::ListThreadsRequest.new(parent: workspace), **told).threads.size
creating = { parent: workspace, thread: V1::Thread.new(display_name: "Foreign") }
dry = chat.create_thread(V1::CreateThreadRequest.new(validate_only: true, **creating), **told)
made = chat.create_thread(V1::CreateThreadRequest.new(**creating), **told)
message = V1::Message.new(parts: [V1::Part.new(text: "hello")])
sending = V1::SendMessageRequest.new(
  name: made.name, message: message, request_id: SecureRandom.uuid
)
operation = chat.send_message(sending, return_op: true, **told)
first = operation.execute.first(2)
operation.cancel
watching = V1::WatchTurnRequest.new(name: first[0].started.turn, after_sequence: 2)
rest = chat.watch_turn(watching, **told).to_a
reason = begin
  chat.get_thread(V1::GetThreadRequest.new(name: "#{made.name}x"), **told)
  ""
rescue GRPC::BadStatus => e
  Google::Rpc::ErrorInfo.decode(e.to_rpc_status.details[0].value).reason
end
puts JSON.generate(
  listed: listed,
  dry: dry.name,
  title: made.display_name,
  first: first.map(&:sequence),
  rest: rest.map(&:sequence),
  completed: rest[-1].event == :completed,
  reason: reason
)
