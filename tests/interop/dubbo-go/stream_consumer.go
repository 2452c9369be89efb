package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"dubbo.apache.org/dubbo-go/v3/client"
	triple "dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// streamConsumer keeps one connection per target; each of its commands checks what it hears.
type streamConsumer struct {
	cli   *client.Client
	lock  sync.Mutex
	conns map[string]*client.Connection
}

func consumeStreams(control *jsonLines, name string) error {
	cli, err := client.NewClient(client.WithClientNoCheck())
	if err != nil {
		return err
	}
	c := &streamConsumer{cli: cli, conns: map[string]*client.Connection{}}
	control.commands = map[string]command{
		"server_stream": c.serverStream, "server_stream_fails": c.serverStreamFails, "client_stream": c.clientStream,
		"bidirectional": c.bidirectional, "large": c.large, "many": c.many,
	}
	control.ready(map[string]any{"name": name})
	return control.serve()
}

func (c *streamConsumer) dial(url string) (*client.Connection, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if conn := c.conns[url]; conn != nil {
		return conn, nil
	}
	info := &client.ClientInfo{InterfaceName: streamService, MethodNames: []string{"count", "join", "echo"}}
	conn, err := c.cli.DialWithInfo(streamService, info, client.WithURL(url), client.WithProtocolTriple(),
		client.WithFilter("wire-consumer"), client.WithClusterFailOver())
	if err == nil {
		c.conns[url] = conn
	}
	return conn, err
}

// counted is what was heard of a stream of numbers, and how it ended.
func (c *streamConsumer) counted(req request, upTo string) (int, error) {
	conn, err := c.dial(req.Target.URL)
	if err != nil {
		return 0, err
	}
	opened, err := conn.CallServerStream(context.Background(), wrapperspb.String(upTo), "count")
	if err != nil {
		return 0, err
	}
	answers := opened.(*triple.ServerStreamForClient)
	heard := 0
	for piece := new(text); answers.Receive(piece); piece = new(text) {
		heard++
		if piece.Value != strconv.Itoa(heard) {
			return heard, fmt.Errorf("number %d is %q", heard, piece.Value)
		}
	}
	return heard, answers.Err()
}

func (c *streamConsumer) serverStream(req request) (any, error) {
	heard, err := c.counted(req, "100")
	if err == nil && heard != 100 {
		err = fmt.Errorf("heard %d", heard)
	}
	return heard, err
}

func (c *streamConsumer) serverStreamFails(req request) (any, error) {
	heard, err := c.counted(req, "-3")
	if heard != 3 || err == nil || !strings.Contains(err.Error(), "no more than 3") {
		return nil, fmt.Errorf("heard %d, and then %v", heard, err)
	}
	return heard, nil
}

func (c *streamConsumer) clientStream(req request) (any, error) {
	conn, err := c.dial(req.Target.URL)
	if err != nil {
		return nil, err
	}
	opened, err := conn.CallClientStream(context.Background(), "join")
	if err != nil {
		return nil, err
	}
	said := opened.(*triple.ClientStreamForClient)
	var all strings.Builder
	for number := range 100 {
		piece := fmt.Sprint(number, " 你好 ")
		all.WriteString(piece)
		if err := said.Send(wrapperspb.String(piece)); err != nil {
			return nil, err
		}
	}
	answer := new(text)
	if err := said.CloseAndReceive(triple.NewResponse(answer)); err != nil {
		return nil, err
	}
	if answer.Value != all.String() {
		return nil, fmt.Errorf("got %.200q", answer.Value)
	}
	return true, nil
}

func (c *streamConsumer) open(req request) (*triple.BidiStreamForClient, error) {
	conn, err := c.dial(req.Target.URL)
	if err != nil {
		return nil, err
	}
	opened, err := conn.CallBidiStream(context.Background(), "echo")
	if err != nil {
		return nil, err
	}
	return opened.(*triple.BidiStreamForClient), nil
}

// say says a piece, and awaits it back.
func say(both *triple.BidiStreamForClient, piece string) error {
	if err := both.Send(wrapperspb.String(piece)); err != nil {
		return err
	}
	answer := new(text)
	if err := both.Receive(answer); err != nil {
		return err
	}
	if answer.Value != piece {
		return fmt.Errorf("got %.200q", answer.Value)
	}
	return nil
}

func end(both *triple.BidiStreamForClient) error {
	if err := both.CloseRequest(); err != nil {
		return err
	}
	if err := both.Receive(new(text)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("ended with %v", err)
	}
	return both.CloseResponse()
}

func (c *streamConsumer) talk(req request, pieces []string) (any, error) {
	both, err := c.open(req)
	if err != nil {
		return nil, err
	}
	for _, piece := range pieces {
		if err := say(both, piece); err != nil {
			return nil, err
		}
	}
	return len(pieces), end(both)
}

// bidirectional: each answer is there before the next piece is said.
func (c *streamConsumer) bidirectional(req request) (any, error) {
	pieces := []string{}
	for number := range 50 {
		pieces = append(pieces, fmt.Sprint("text ", number))
	}
	return c.talk(req, pieces)
}

func (c *streamConsumer) large(req request) (any, error) {
	piece := strings.Repeat("0123456789abcdeé", mebibyte/16)
	return c.talk(req, []string{piece, piece, piece, piece})
}

// many streams that are all open at once on one connection.
func (c *streamConsumer) many(req request) (any, error) {
	all := []*triple.BidiStreamForClient{}
	for range 50 {
		both, err := c.open(req)
		if err != nil {
			return nil, err
		}
		all = append(all, both)
	}
	for turn := range 5 {
		for stream, both := range all {
			if err := say(both, fmt.Sprint(stream, " in turn ", turn)); err != nil {
				return nil, err
			}
		}
	}
	for _, both := range all {
		if err := end(both); err != nil {
			return nil, err
		}
	}
	return len(all), nil
}
