package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"dubbo.apache.org/dubbo-go/v3/client"
	hessian "github.com/apache/dubbo-go-hessian2"
)

const mebibyte = 1 << 20

// consumer keeps one connection per target.
type consumer struct {
	cli   *client.Client
	lock  sync.Mutex
	conns map[string]*client.Connection
}

func consume(control *jsonLines, name string) error {
	cli, err := client.NewClient(client.WithClientNoCheck())
	if err != nil {
		return err
	}
	c := &consumer{cli: cli, conns: map[string]*client.Connection{}}
	control.commands = map[string]command{
		"string": c.text, "pojo": c.pojo, "nested": c.nested, "list": c.list, "map": c.table,
		"null": c.nothing, "void": c.void, "large": c.large, "oneway": c.oneway, "generic": c.generic,
		"attachments": c.attachments, "hammer": c.hammer, "call": c.call,
	}
	control.ready(map[string]any{"name": name, "dubbo": "go"})
	return control.serve()
}

func (c *consumer) dial(to target) (*client.Connection, error) {
	key, err := json.Marshal(to)
	if err != nil {
		return nil, err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if conn := c.conns[string(key)]; conn != nil {
		return conn, nil
	}
	options := []client.ReferenceOption{
		client.WithURL(to.URL), client.WithGroup(to.Group), client.WithVersion(to.Version),
		client.WithSerialization("hessian2"), client.WithFilter("wire-consumer"),
		client.WithClusterFailOver(),
	}
	// Always said: dubbo-go keeps what one reference was told as the default of the next.
	retries := 2
	if to.Retries != nil {
		retries = *to.Retries
	}
	options = append(options, client.WithRetries(retries))
	conn, err := c.connect(to, options)
	if err == nil {
		c.conns[string(key)] = conn
	}
	return conn, err
}

func (c *consumer) connect(to target, options []client.ReferenceOption) (*client.Connection, error) {
	if strings.HasPrefix(to.URL, "tri:") {
		return c.cli.DialWithInfo(service, tripleClient(), append(options, client.WithProtocolTriple())...)
	}
	return c.cli.Dial(service, append(options, client.WithProtocolDubbo())...)
}

// invoke makes one call and leaves its answer in reply.
func (c *consumer) invoke(req request, reply any, method string, arguments ...any) error {
	_, err := c.exchange(req, reply, method, req.Attachments, arguments...)
	return err
}

func (c *consumer) exchange(
	req request, reply any, method string, send map[string]string, arguments ...any,
) (map[string]any, error) {
	conn, err := c.dial(req.Target)
	if err != nil {
		return nil, err
	}
	timeout := 10 * time.Second
	if req.Target.Timeout > 0 {
		timeout = time.Duration(req.Target.Timeout) * time.Millisecond
	}
	call := &exchange{send: send}
	ctx := context.WithValue(context.Background(), sentKey, call)
	err = conn.CallUnary(ctx, arguments, reply, method, client.WithCallRequestTimeout(timeout))
	return call.returned, err
}

// echoed calls method with value and checks that it comes back.
func echoed[T any](c *consumer, req request, method string, value T) (any, error) {
	var reply T
	if err := c.invoke(req, &reply, method, value); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(value, reply) {
		return nil, fmt.Errorf("sent %.200v, got %.200v", value, reply)
	}
	return true, nil
}

func (c *consumer) text(req request) (any, error) {
	for _, text := range []string{"", "bob", "zoë 你好 \U0001F600", strings.Repeat("x", 5000)} {
		if _, err := echoed(c, req, "echoString", text); err != nil {
			return nil, err
		}
	}
	var sum int64
	if err := c.invoke(req, &sum, "add", int32(1), int64(12_345_678_900)); err != nil {
		return nil, err
	}
	if sum != 12_345_678_901 {
		return nil, fmt.Errorf("wrong sum %d", sum)
	}
	var name string
	return &name, c.invoke(req, &name, "whoami")
}

func (c *consumer) pojo(req request) (any, error) {
	return echoed(c, req, "echoUser", newUser(41, "Ada"))
}

func (c *consumer) nested(req request) (any, error) {
	user := newUser(42, "Grace")
	user.Address = &Address{City: "Porto", Zip: 4000}
	return echoed(c, req, "echoUser", user)
}

// list sends []any, for which dubbo-go writes the descriptor java.util.List.
func (c *consumer) list(req request) (any, error) {
	users := []any{}
	for id := range int64(50) {
		users = append(users, newUser(id, "a user"))
	}
	return echoed(c, req, "echoList", users)
}

func (c *consumer) table(req request) (any, error) {
	users := map[any]any{}
	for id := range int64(20) {
		users[fmt.Sprint("key-", id)] = newUser(id, "a user")
	}
	return echoed(c, req, "echoMap", users)
}

func (c *consumer) nothing(req request) (any, error) {
	reply := "untouched"
	if err := c.invoke(req, &reply, "nothing"); err != nil {
		return nil, err
	}
	if reply != "untouched" && reply != "" {
		return nil, fmt.Errorf("null became %q", reply)
	}
	return nil, nil
}

func (c *consumer) void(req request) (any, error) {
	var reply any
	return nil, c.invoke(req, &reply, "touch", "void")
}

func (c *consumer) large(req request) (any, error) {
	if _, err := echoed(c, req, "echoString", strings.Repeat("0123456789abcdeé", mebibyte/16)); err != nil {
		return nil, err
	}
	return echoed(c, req, "echoBytes", []byte(strings.Repeat("\xda\xbb", mebibyte/2)))
}

// oneway sends several, and then a two-way call on the same connection, which nothing may have upset.
func (c *consumer) oneway(req request) (any, error) {
	var reply any
	for turn := range 5 {
		_, err := c.exchange(req, &reply, "note", map[string]string{"async": "true"}, fmt.Sprint("one-way ", turn))
		if err != nil {
			return nil, err
		}
	}
	return echoed(c, req, "echoString", "after")
}

func (c *consumer) generic(req request) (any, error) {
	var reply map[any]any
	user := map[string]any{"class": "org.sabir.demo.User", "id": int64(5), "name": "Map"}
	_, err := c.exchange(req, &reply, "$invoke", map[string]string{"generic": "true"},
		"echoUser", []string{"org.sabir.demo.User"}, []hessian.Object{user})
	if err == nil && reply["name"] != "Map" {
		err = fmt.Errorf("got %v", reply)
	}
	return nil, err
}

func (c *consumer) attachments(req request) (any, error) {
	var reply map[any]any
	returned, err := c.exchange(req, &reply, "attachments", req.Attachments)
	if err != nil {
		return nil, err
	}
	return map[string]any{"seen": texts(reply), "returned": returned}, nil
}

func texts(pairs map[any]any) map[string]string {
	copied := map[string]string{}
	for key, value := range pairs {
		copied[fmt.Sprint(key)] = fmt.Sprint(value)
	}
	return copied
}

// hammer checks every answer against its own argument.
func (c *consumer) hammer(req request) (any, error) {
	if _, err := c.dial(req.Target); err != nil {
		return nil, err
	}
	failures := make(chan error, req.Threads)
	for thread := range req.Threads {
		go func() {
			for call := range req.Calls {
				text := fmt.Sprint("thread ", thread, " call ", call, strings.Repeat("-", call%97))
				if _, err := echoed(c, req, "echoString", text); err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	for range req.Threads {
		if err := <-failures; err != nil {
			return nil, err
		}
	}
	return req.Threads * req.Calls, nil
}

// call makes one call; a failed one is a result here.
func (c *consumer) call(req request) (any, error) {
	var reply string
	var err error
	start := time.Now()
	switch req.Method {
	case "whoami":
		err = c.invoke(req, &reply, "whoami")
	case "sleep":
		err = c.invoke(req, &reply, "sleep", req.Millis)
	case "fail":
		err = c.invoke(req, &reply, "fail", req.Kind, req.Message)
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
