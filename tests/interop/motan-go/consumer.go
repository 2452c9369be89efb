package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	motan "github.com/weibocom/motan-go"
	"github.com/weibocom/motan-go/cluster"
	"github.com/weibocom/motan-go/core"
	"github.com/weibocom/motan-go/protocol"
)

const mebibyte = 1 << 20

// consumer keeps a cluster, motan-go's word for a client, per target.
type consumer struct {
	name     string
	lock     sync.Mutex
	clusters map[target]*cluster.MotanCluster
}

func consume(control *jsonLines, name string) error {
	c := &consumer{name: name, clusters: map[target]*cluster.MotanCluster{}}
	control.commands = map[string]command{
		"values": c.values, "large": c.large, "oneway": c.oneway, "attachments": c.attachments,
		"hammer": c.hammer, "spread": c.spread, "call": c.call,
	}
	control.ready(map[string]any{"name": name})
	return control.serve()
}

// refer makes a client. Connections are made at once: a first call otherwise finds no endpoint.
func (c *consumer) refer(to target) (*cluster.MotanCluster, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if made := c.clusters[to]; made != nil {
		return made, nil
	}
	file, err := configuration(fmt.Sprintf(`
motan-client:
  log_dir: stdout
  application: %s
motan-registry:
  direct:
    protocol: direct
    address: %s
motan-refer:
  user:
    path: %s
    group: %s
    version: "%s"
    registry: direct
    protocol: motan2
    serialization: %s
    requestTimeout: %d
    clientConnection: %d
    retries: %d
    mingzSize: %d
    haStrategy: failover
    loadbalance: roundrobin
    keepaliveInterval: 200
    asyncInitConnection: "false"
`, c.name, to.Address, service, to.Group, to.Version, or(to.Serialization, "simple"), or(to.Timeout, 10_000),
		or(to.Connections, 3), to.Retries, to.Gzip))
	if err != nil {
		return nil, err
	}
	defer os.Remove(file)
	context := motan.GetClientContextWithFlagParse(file, false)
	if context == nil {
		return nil, errors.New("motan-go does not take its configuration")
	}
	url := context.GetContext().RefersURLs["user"]
	made := cluster.NewCluster(context.GetContext(), motan.GetDefaultExtFactory(), url, false)
	c.clusters[to] = made
	return made, nil
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// exchange makes one call and leaves its value in reply.
func (c *consumer) exchange(req request, reply any, method string, arguments ...any) (core.Response, error) {
	client, err := c.refer(req.Target)
	if err != nil {
		return nil, err
	}
	call := c.request(req, method, arguments)
	call.GetRPCContext(true).Reply = reply
	response := client.Call(call)
	if exception := response.GetException(); exception != nil {
		return nil, &failed{exception}
	}
	return response, nil
}

func (c *consumer) request(req request, method string, arguments []any) *core.MotanRequest {
	call := &core.MotanRequest{
		Method: method, ServiceName: service, Arguments: arguments, Attachment: core.NewStringMap(16),
	}
	for key, value := range map[string]string{
		protocol.MVersion: req.Target.Version, protocol.MGroup: req.Target.Group,
		protocol.MSource: c.name, protocol.MPath: service,
	} {
		call.SetAttachment(key, value)
	}
	for key, value := range req.Attachments {
		call.SetAttachment(key, value)
	}
	call.GetRPCContext(true).ExtFactory = motan.GetDefaultExtFactory()
	return call
}

// failed is an exception as motan-go tells it.
type failed struct {
	exception *core.Exception
}

func (f *failed) Error() string { return f.exception.ErrMsg }

func (c *consumer) echoed(req request, text string) error {
	var reply string
	if _, err := c.exchange(req, &reply, "echoString", text); err != nil {
		return err
	}
	if reply != text {
		return fmt.Errorf("sent %.200q, got %.200q", text, reply)
	}
	return nil
}

func (c *consumer) values(req request) (any, error) {
	for _, text := range []string{"", "bob", "zoë 你好 \U0001F600", strings.Repeat("x", 5000)} {
		if err := c.echoed(req, text); err != nil {
			return nil, err
		}
	}
	for _, method := range []string{"nothing", "touch"} {
		var reply any
		if _, err := c.exchange(req, &reply, method, "void"); err != nil {
			return nil, err
		}
	}
	var name string
	_, err := c.exchange(req, &name, "whoami")
	return &name, err
}

func (c *consumer) large(req request) (any, error) {
	if err := c.echoed(req, strings.Repeat("0123456789abcdeé", mebibyte/16)); err != nil {
		return nil, err
	}
	var reply []byte
	sent := bytes.Repeat([]byte{0xf1}, mebibyte)
	_, err := c.exchange(req, &reply, "echoBytes", sent)
	if err == nil && !bytes.Equal(sent, reply) {
		err = fmt.Errorf("sent %d bytes, got %d", len(sent), len(reply))
	}
	return len(reply), err
}

// oneway sends several, and then a two-way call on the same connection, which nothing may have upset.
func (c *consumer) oneway(req request) (any, error) {
	client, err := c.refer(req.Target)
	if err != nil {
		return nil, err
	}
	for turn := range 5 {
		call := c.request(req, "touch", []any{fmt.Sprint("one-way ", turn)})
		context := call.GetRPCContext(true)
		context.Oneway, context.AsyncCall = true, true
		context.Result = &core.AsyncResult{Done: make(chan *core.AsyncResult, 1)}
		if exception := client.Call(call).GetException(); exception != nil {
			return nil, &failed{exception}
		}
	}
	return true, c.echoed(req, "after")
}

func (c *consumer) attachments(req request) (any, error) {
	seen, returned := map[string]string{}, map[string]string{}
	response, err := c.exchange(req, &seen, "attachments")
	if err != nil {
		return nil, err
	}
	response.GetAttachments().Range(func(key, value string) bool {
		returned[key] = value
		return true
	})
	return map[string]any{"seen": seen, "returned": returned}, nil
}

// hammer checks every answer against its own argument.
func (c *consumer) hammer(req request) (any, error) {
	return req.Threads * req.Calls, beside(req.Threads, func(thread int) error {
		for call := range req.Calls {
			text := fmt.Sprint("thread ", thread, " call ", call, strings.Repeat("-", call%97))
			if err := c.echoed(req, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// spread tells which providers answered how many calls, by eight threads; none may fail.
func (c *consumer) spread(req request) (any, error) {
	var lock sync.Mutex
	answers := map[string]int{}
	err := beside(8, func(int) error {
		for range req.Calls / 8 {
			var name string
			if _, err := c.exchange(req, &name, "whoami"); err != nil {
				return err
			}
			lock.Lock()
			answers[name]++
			lock.Unlock()
		}
		return nil
	})
	return answers, err
}

func beside(threads int, work func(thread int) error) error {
	failures := make(chan error, threads)
	for thread := range threads {
		go func() { failures <- work(thread) }()
	}
	var first error
	for range threads {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// call makes one call; a failed one is a result here.
func (c *consumer) call(req request) (any, error) {
	var reply string
	var err error
	start := time.Now()
	switch req.Method {
	case "whoami":
		_, err = c.exchange(req, &reply, "whoami")
	case "sleep":
		_, err = c.exchange(req, &reply, "sleep", req.Millis)
	case "fail":
		_, err = c.exchange(req, &reply, "fail", req.Message)
	case "echoString":
		_, err = c.exchange(req, &reply, "echoString", strings.Repeat("x", req.Bytes))
	default:
		return nil, fmt.Errorf("no such method: %s", req.Method)
	}
	report := map[string]any{"elapsed_ms": time.Since(start).Milliseconds()}
	if err == nil {
		report["value"] = reply
	} else {
		report["failure"] = failure(err)
	}
	return report, nil
}
