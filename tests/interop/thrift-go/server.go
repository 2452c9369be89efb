package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// handler is the demo service; it counts the calls of each method.
type handler struct {
	lock   sync.Mutex
	counts map[string]int
}

func (h *handler) call(ctx context.Context, name string, call values) (values, error) {
	h.lock.Lock()
	h.counts[name]++
	h.lock.Unlock()
	switch name {
	case "echo":
		return values{"success": call["record"]}, nil
	case "fail":
		return values{"failure": values{"text": call["text"]}}, nil
	case "crash":
		return nil, errors.New("out of order")
	case "headers":
		return values{"success": headers(ctx)}, nil
	case "sleep":
		time.Sleep(time.Duration(call["milliseconds"].(int32)) * time.Millisecond)
		return values{"success": call["text"]}, nil
	}
	return values{}, nil
}

// headers are those of THeader that came with a call; one goes back.
func headers(ctx context.Context) map[any]any {
	seen := map[any]any{}
	for _, name := range thrift.GetReadHeaderList(ctx) {
		seen[name], _ = thrift.GetHeader(ctx, name)
	}
	if helper, there := thrift.GetResponseHelper(ctx); there {
		helper.SetHeader("server", "go")
	}
	return seen
}

func (h *handler) counted() map[string]int {
	h.lock.Lock()
	defer h.lock.Unlock()
	counts := map[string]int{}
	for name, count := range h.counts {
		counts[name] = count
	}
	return counts
}

// processor reads calls and writes answers as generated code does.
type processor struct {
	functions map[string]thrift.TProcessorFunction
}

func newProcessor(h *handler) *processor {
	p := &processor{map[string]thrift.TProcessorFunction{}}
	for name, method := range methods {
		p.functions[name] = &function{h, name, method}
	}
	return p
}

func (p *processor) ProcessorMap() map[string]thrift.TProcessorFunction { return p.functions }

func (p *processor) AddToProcessorMap(name string, f thrift.TProcessorFunction) {
	p.functions[name] = f
}

func (p *processor) Process(ctx context.Context, in, out thrift.TProtocol) (bool, thrift.TException) {
	name, _, seqid, err := in.ReadMessageBegin(ctx)
	if err != nil {
		return false, thrift.WrapTException(err)
	}
	if function := p.functions[name]; function != nil {
		return function.Process(ctx, seqid, in, out)
	}
	if err := in.Skip(ctx, thrift.STRUCT); err != nil {
		return false, thrift.WrapTException(err)
	}
	if err := in.ReadMessageEnd(ctx); err != nil {
		return false, thrift.WrapTException(err)
	}
	unknown := thrift.NewTApplicationException(thrift.UNKNOWN_METHOD, "Unknown function "+name)
	if err := answer(ctx, out, name, thrift.EXCEPTION, seqid, unknown); err != nil {
		return false, thrift.WrapTException(err)
	}
	return false, unknown
}

type function struct {
	handler *handler
	name    string
	method  method
}

func (f *function) Process(ctx context.Context, seqid int32, in, out thrift.TProtocol) (bool, thrift.TException) {
	call := instance{kind: f.method.arguments}
	if err := call.Read(ctx, in); err != nil {
		return false, thrift.WrapTException(err)
	}
	if err := in.ReadMessageEnd(ctx); err != nil {
		return false, thrift.WrapTException(err)
	}
	result, failure := f.handler.call(ctx, f.name, call.values)
	if f.method.result == nil {
		return true, nil
	}
	var err error
	if failure != nil {
		text := "Internal error processing " + f.name + ": " + failure.Error()
		internal := thrift.NewTApplicationException(thrift.INTERNAL_ERROR, text)
		err = answer(ctx, out, f.name, thrift.EXCEPTION, seqid, internal)
	} else {
		err = answer(ctx, out, f.name, thrift.REPLY, seqid, &instance{f.method.result, result})
	}
	return err == nil, thrift.WrapTException(err)
}

type writable interface {
	Write(ctx context.Context, out thrift.TProtocol) error
}

func answer(
	ctx context.Context, out thrift.TProtocol, name string, kind thrift.TMessageType, seqid int32, with writable,
) error {
	if err := out.WriteMessageBegin(ctx, name, kind, seqid); err != nil {
		return err
	}
	if err := with.Write(ctx, out); err != nil {
		return err
	}
	if err := out.WriteMessageEnd(ctx); err != nil {
		return err
	}
	return out.Flush(ctx)
}

// serve listens for each kind at the port of its place.
func serve(control *jsonLines, ports []string) error {
	h := &handler{counts: map[string]int{}}
	all := thrift.NewTMultiplexedProcessor()
	all.RegisterDefault(newProcessor(h))
	all.RegisterProcessor("Demo", newProcessor(h))
	for i, kind := range kinds {
		socket, err := thrift.NewTServerSocket(net.JoinHostPort("127.0.0.1", ports[i]))
		if err != nil {
			return err
		}
		if err := socket.Listen(); err != nil {
			return err
		}
		transports, protocols := factories(kind, nil)
		server := thrift.NewTSimpleServer4(all, socket, transports, protocols)
		go server.Serve()
	}
	return control.serve(func(command) (any, error) { return h.counted(), nil })
}

// factories make what a connection of this kind needs.
func factories(kind string, options *thrift.TConfiguration) (thrift.TTransportFactory, thrift.TProtocolFactory) {
	transport, protocol, _ := strings.Cut(kind, "-")
	transports := thrift.NewTBufferedTransportFactory(4096)
	switch transport {
	case "framed":
		return thrift.NewTFramedTransportFactoryConf(thrift.NewTTransportFactory(), options), encoding(protocol, options)
	case "header":
		return thrift.NewTTransportFactory(), thrift.NewTHeaderProtocolFactoryConf(options)
	}
	return transports, encoding(protocol, options)
}

func encoding(protocol string, options *thrift.TConfiguration) thrift.TProtocolFactory {
	if protocol == "compact" {
		return thrift.NewTCompactProtocolFactoryConf(options)
	}
	return thrift.NewTBinaryProtocolFactoryConf(options)
}
