package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"dubbo.apache.org/dubbo-go/v3/common"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/global"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	triple "dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
	"dubbo.apache.org/dubbo-go/v3/server"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const streamService = "org.sabir.demo.StreamService"

// text is a piece of a stream; dubbo-go's streams carry protobuf only.
type text = wrapperspb.StringValue

// Streams answers as StreamService of the Java peers says.
type Streams struct{}

// Reference is the interface that this implements.
func (*Streams) Reference() string { return streamService }

func streamInfo(streams *Streams) *common.ServiceInfo {
	asItIs := func(stream any) any { return stream }
	return &common.ServiceInfo{InterfaceName: streamService, ServiceType: streams, Methods: []common.MethodInfo{
		{
			Name: "count", Type: constant.CallServerStream,
			ReqInitFunc: func() any { return new(text) }, StreamInitFunc: asItIs,
			MethodFunc: func(ctx context.Context, arguments []any, _ any) (any, error) {
				return nil, streams.Count(ctx, arguments[0].(*text), arguments[1].(*triple.ServerStream))
			},
		},
		{
			Name: "join", Type: constant.CallClientStream, StreamInitFunc: asItIs,
			MethodFunc: func(ctx context.Context, arguments []any, _ any) (any, error) {
				return streams.Join(ctx, arguments[0].(*triple.ClientStream))
			},
		},
		{
			Name: "echo", Type: constant.CallBidiStream, StreamInitFunc: asItIs,
			MethodFunc: func(ctx context.Context, arguments []any, _ any) (any, error) {
				return nil, streams.Echo(ctx, arguments[0].(*triple.BidiStream))
			},
		},
	}}
}

// Count answers with so many numbers; a negative one fails behind as many of them.
func (*Streams) Count(_ context.Context, upTo *text, answers *triple.ServerStream) error {
	last, err := strconv.Atoi(upTo.Value)
	if err != nil {
		return err
	}
	for number := 1; number <= max(last, -last); number++ {
		if err := answers.Send(wrapperspb.String(strconv.Itoa(number))); err != nil {
			return err
		}
	}
	if last < 0 {
		return fmt.Errorf("no more than %d", -last)
	}
	return nil
}

// Join answers once, when the caller has ended: all that it said.
func (*Streams) Join(_ context.Context, said *triple.ClientStream) (*triple.Response, error) {
	var all strings.Builder
	for piece := new(text); said.Receive(piece); piece = new(text) {
		all.WriteString(piece.Value)
	}
	return triple.NewResponse(wrapperspb.String(all.String())), said.Err()
}

// Echo answers each piece with itself, at once.
func (*Streams) Echo(_ context.Context, both *triple.BidiStream) error {
	for {
		piece := new(text)
		if err := both.Receive(piece); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := both.Send(piece); err != nil {
			return err
		}
	}
}

func provideStreams(control *jsonLines, name, at string) error {
	port, err := strconv.Atoi(at)
	if err != nil {
		return err
	}
	application := global.DefaultApplicationConfig()
	application.MetadataType = "remote"
	srv, err := server.NewServer(server.SetServerApplication(application), server.WithServerProtocol(
		protocol.WithTriple(), protocol.WithIp("127.0.0.1"), protocol.WithPort(port)))
	if err != nil {
		return err
	}
	streams := &Streams{}
	err = srv.Register(streams, streamInfo(streams), server.WithInterface(streamService), server.WithNotRegister(),
		server.WithFilter("echo,generic_service,wire-provider"))
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve() }()
	go func() {
		if control.serve() == nil {
			os.Exit(0)
		}
	}()
	if err := untilListening(port, failed); err != nil {
		return err
	}
	control.ready(map[string]any{"name": name})
	return <-failed
}
