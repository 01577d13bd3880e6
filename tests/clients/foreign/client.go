// Go's grpc: ADDRESS TOKEN WORKSPACE REQUEST_ID; prints what came as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	chatv1 "rota.dev/gen/rota/chat/v1"
)

// Debian's grpc has the codec of an older protobuf than its protoc-gen-go.
type codec struct{}

func (codec) Marshal(v interface{}) ([]byte, error)      { return proto.Marshal(v.(proto.Message)) }
func (codec) Unmarshal(data []byte, v interface{}) error { return proto.Unmarshal(data, v.(proto.Message)) }
func (codec) Name() string                               { return "proto" }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	address, token, workspace, requestID := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
	conn, err := grpc.Dial(
		address, grpc.WithInsecure(), grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})),
	)
	must(err)
	chat := chatv1.NewChatServiceClient(conn)

	listed, err := chat.ListThreads(ctx, &chatv1.ListThreadsRequest{Parent: workspace})
	must(err)
	creating := &chatv1.CreateThreadRequest{
		Parent:       workspace,
		Thread:       &chatv1.Thread{DisplayName: "Foreign"},
		ValidateOnly: true,
	}
	dry, err := chat.CreateThread(ctx, creating)
	must(err)
	creating.ValidateOnly = false
	made, err := chat.CreateThread(ctx, creating)
	must(err)

	part := &chatv1.Part{Part: &chatv1.Part_Text{Text: "hello"}}
	sending, cancel := context.WithCancel(ctx)
	stream, err := chat.SendMessage(sending, &chatv1.SendMessageRequest{
		Name:      made.Name,
		Message:   &chatv1.Message{Parts: []*chatv1.Part{part}},
		RequestId: requestID,
	})
	must(err)
	first, turn := []int32{}, ""
	for len(first) < 2 {
		frame, err := stream.Recv()
		must(err)
		if started := frame.GetStarted(); started != nil {
			turn = started.Turn
		}
		first = append(first, frame.Sequence)
	}
	cancel()

	watch, err := chat.WatchTurn(ctx, &chatv1.WatchTurnRequest{Name: turn, AfterSequence: 2})
	must(err)
	rest, completed := []int32{}, false
	for {
		frame, err := watch.Recv()
		if err == io.EOF {
			break
		}
		must(err)
		rest = append(rest, frame.Sequence)
		completed = frame.GetCompleted() != nil
	}

	_, err = chat.GetThread(ctx, &chatv1.GetThreadRequest{Name: made.Name + "x"})
	reason := status.Convert(err).Details()[0].(*errdetails.ErrorInfo).Reason
	must(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"listed":    len(listed.Threads),
		"dry":       dry.Name,
		"title":     made.DisplayName,
		"first":     first,
		"rest":      rest,
		"completed": completed,
		"reason":    reason,
	}))
}
