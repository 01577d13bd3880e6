// C++'s grpc: ADDRESS TOKEN WORKSPACE REQUEST_ID; prints what came as one line of JSON.
#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "rota/chat/v1/chat.grpc.pb.h"

using namespace rota::chat::v1;

static std::string token;

static std::unique_ptr<grpc::ClientContext> Told() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("authorization", "Bearer " + token);
  return context;
}

static void Must(const grpc::Status& status) {
  if (!status.ok()) {
    std::cerr << status.error_code() << " " << status.error_message() << std::endl;
    std::exit(1);
  }
}

int main(int, char** argv) {
  const std::string workspace = argv[3];
  token = argv[2];
  auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
  auto chat = ChatService::NewStub(channel);

  ListThreadsRequest listing;
  ListThreadsResponse listed;
  listing.set_parent(workspace);
  Must(chat->ListThreads(Told().get(), listing, &listed));

  CreateThreadRequest creating;
  Thread dry, made;
  creating.set_parent(workspace);
  creating.mutable_thread()->set_display_name("Foreign");
  creating.set_validate_only(true);
  Must(chat->CreateThread(Told().get(), creating, &dry));
  creating.set_validate_only(false);
  Must(chat->CreateThread(Told().get(), creating, &made));

  SendMessageRequest sending;
  sending.set_name(made.name());
  sending.mutable_message()->add_parts()->set_text("hello");
  sending.set_request_id(argv[4]);
  auto sent = Told();
  auto stream = chat->SendMessage(sent.get(), sending);
  TurnEvent frame;
  std::string turn, first, rest;
  for (int count = 0; count < 2 && stream->Read(&frame); ++count) {
    if (frame.has_started()) turn = frame.started().turn();
    first += (first.empty() ? "" : ",") + std::to_string(frame.sequence());
  }
  sent->TryCancel();
  stream->Finish();

  WatchTurnRequest watching;
  watching.set_name(turn);
  watching.set_after_sequence(2);
  auto watched = Told();
  auto tail = chat->WatchTurn(watched.get(), watching);
  while (tail->Read(&frame)) rest += (rest.empty() ? "" : ",") + std::to_string(frame.sequence());
  Must(tail->Finish());

  GetThreadRequest getting;
  getting.set_name(made.name() + "x");
  const grpc::Status missing = chat->GetThread(Told().get(), getting, &dry);
  google::rpc::Status status;
  google::rpc::ErrorInfo info;
  status.ParseFromString(missing.error_details());
  status.details(0).UnpackTo(&info);

  std::cout << "{\"listed\":" << listed.threads_size() << ",\"dry\":\"" << dry.name()
            << "\",\"title\":\"" << made.display_name() << "\",\"first\":[" << first
            << "],\"rest\":[" << rest << "],\"completed\":"
            << (frame.has_completed() ? "true" : "false") << ",\"reason\":\"" << info.reason()
            << "\"}" << std::endl;
}
