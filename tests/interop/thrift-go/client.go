package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

const mebibyte = 1 << 20

// link is a connection of a client.
type link struct {
	transport thrift.TTransport
	plain     *thrift.TStandardClient
	// With the service before each name.
	multiplexed *thrift.TStandardClient
}

func connect(told command) (*link, error) {
	_, protocol, _ := strings.Cut(told.Kind, "-")
	options := &thrift.TConfiguration{ConnectTimeout: 5 * time.Second, SocketTimeout: 20 * time.Second}
	if protocol == "lax" {
		options.TBinaryStrictWrite = thrift.BoolPtr(false)
	}
	if protocol == "compact" {
		options.THeaderProtocolID = thrift.THeaderProtocolIDPtrMust(thrift.THeaderProtocolCompact)
	}
	if told.Zlib {
		options.THeaderTransforms = []thrift.THeaderTransformID{thrift.TransformZlib}
	}
	socket := thrift.NewTSocketConf(fmt.Sprintf("127.0.0.1:%d", told.Port), options)
	transports, protocols := factories(told.Kind, options)
	transport, err := transports.GetTransport(socket)
	if err != nil {
		return nil, err
	}
	spoken := protocols.GetProtocol(transport)
	return &link{
		transport:   transport,
		plain:       thrift.NewTStandardClient(spoken, spoken),
		multiplexed: thrift.NewTStandardClient(spoken, thrift.NewTMultiplexedProtocol(spoken, told.Service)),
	}, transport.Open()
}

func (l *link) call(told command, name string, arguments values) (values, thrift.THeaderMap, error) {
	method, known := methods[name]
	if !known {
		method.arguments, method.result = nothing, nothing
	}
	ctx := context.Background()
	names := []string{}
	for key, value := range told.Headers {
		ctx = thrift.SetHeader(ctx, key, value)
		names = append(names, key)
	}
	ctx = thrift.SetWriteHeaderList(ctx, names)
	client := l.plain
	if told.Service != "" {
		client = l.multiplexed
	}
	call := &instance{method.arguments, arguments}
	if method.result == nil {
		_, err := client.Call(ctx, name, call, nil)
		return nil, nil, err
	}
	result := &instance{kind: method.result}
	meta, err := client.Call(ctx, name, call, result)
	return result.values, meta.Headers, err
}

// carryOut does what a command says, on a connection of its own.
func carryOut(told command) (any, error) {
	if told.Op == "many" {
		return many(told)
	}
	l, err := connect(told)
	if err != nil {
		return nil, err
	}
	defer l.transport.Close()
	switch told.Op {
	case "echo":
		return nil, l.echo(told, make([]int, max(told.Times, 1))...)
	case "large":
		return nil, l.echo(told, mebibyte, 10, 3*mebibyte)
	case "touch":
		_, _, err = l.call(told, or(told.Method, "touch"), nil)
		return nil, err
	case "note":
		return nil, l.note(told)
	case "fail":
		got, _, err := l.call(told, "fail", values{"text": told.Text})
		if failure, there := got["failure"].(values); there {
			return failure["text"], err
		}
		return nil, errors.Join(errors.New("no exception"), err)
	case "headers":
		got, back, err := l.call(told, "headers", nil)
		seen := map[string]any{}
		if found, there := got["success"].(map[any]any); there {
			for key, value := range found {
				seen[key.(string)] = value
			}
		}
		return map[string]any{"seen": seen, "back": back}, err
	case "sleep":
		return nil, l.sleep(told, told.Milliseconds, told.Text)
	case "refused":
		return l.refused(told)
	case "late":
		return l.late(told)
	}
	return nil, errors.New("no such op: " + told.Op)
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func (l *link) echo(told command, sizes ...int) error {
	for _, size := range sizes {
		sent := example(size)
		got, _, err := l.call(told, "echo", values{"record": sent})
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(got["success"], sent) {
			return fmt.Errorf("the record of %d came back changed: %.300v", size, got)
		}
	}
	return nil
}

// note makes one-way calls, and then an ordinary one that none of them may have upset.
func (l *link) note(told command) error {
	for range told.Times {
		if _, _, err := l.call(told, "note", values{"text": "note"}); err != nil {
			return err
		}
	}
	return l.echo(told, 0)
}

func (l *link) sleep(told command, milliseconds int32, text string) error {
	got, _, err := l.call(told, "sleep", values{"milliseconds": milliseconds, "text": text})
	if err == nil && got["success"] != text {
		err = fmt.Errorf("%s was answered by %v", text, got["success"])
	}
	return err
}

func refusal(err error) (map[string]any, error) {
	var told thrift.TApplicationException
	if !errors.As(err, &told) {
		return nil, fmt.Errorf("not refused, but: %v", err)
	}
	return map[string]any{"type": told.TypeId(), "message": told.Error()}, nil
}

// refused is the framework's exception for a call; the connection then still serves.
func (l *link) refused(told command) (any, error) {
	var err error
	if told.Method == "sleep" {
		err = l.sleep(told, told.Milliseconds, "refused")
	} else {
		_, _, err = l.call(told, told.Method, nil)
	}
	facts, err := refusal(err)
	if err != nil || told.Again == "" {
		return facts, err
	}
	again := told
	again.Service = ""
	_, _, err = l.call(again, told.Again, nil)
	return facts, err
}

// late makes a call that takes too long, and then others: each must get its own answer.
func (l *link) late(told command) (any, error) {
	facts, err := refusal(l.sleep(told, told.Milliseconds, "late"))
	if err != nil {
		return nil, err
	}
	for i := range told.Times {
		if err := l.sleep(told, 20, fmt.Sprint("quick ", i)); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

// many has threads with a connection each, whose answers must be their own.
func many(told command) (any, error) {
	failures := make([]error, told.Threads)
	var threads sync.WaitGroup
	for thread := range told.Threads {
		threads.Go(func() {
			l, err := connect(told)
			if err != nil {
				failures[thread] = err
				return
			}
			defer l.transport.Close()
			for call := 0; call < told.Calls && failures[thread] == nil; call++ {
				failures[thread] = l.sleep(told, 0, fmt.Sprint(thread, "-", call))
			}
		})
	}
	threads.Wait()
	return told.Threads * told.Calls, errors.Join(failures...)
}
