package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	motan "github.com/weibocom/motan-go"
	"github.com/weibocom/motan-go/core"
)

// userService answers with what it was given. It is motan-go's provider itself, rather than a value
// with methods, so that it sees the attachments of a call and can fail as it likes.
type userService struct {
	name string
	url  *core.URL

	lock   sync.Mutex
	counts map[string]int
}

func (u *userService) SetService(any)                 {}
func (u *userService) GetPath() string                { return u.url.Path }
func (u *userService) GetURL() *core.URL              { return u.url }
func (u *userService) SetURL(url *core.URL)           { u.url = url }
func (u *userService) IsAvailable() bool              { return true }
func (u *userService) Destroy()                       {}
func (u *userService) GetRuntimeInfo() map[string]any { return nil }

// Call carries out a call.
func (u *userService) Call(req core.Request) core.Response {
	u.lock.Lock()
	u.counts[req.GetMethod()]++
	u.lock.Unlock()
	response := &core.MotanResponse{RequestID: req.GetRequestID()}
	response.SetAttachment("x-secret", "not for clients")
	value, err := u.answer(req)
	if err != nil {
		response.Exception = &core.Exception{ErrCode: 30001, ErrMsg: err.Error(), ErrType: core.BizException}
		return response
	}
	response.Value = value
	return response
}

func (u *userService) answer(req core.Request) (any, error) {
	switch req.GetMethod() {
	case "echoString":
		return argument[string](req)
	case "echoBytes":
		return argument[[]byte](req)
	case "nothing", "touch":
		return nil, nil
	case "fail":
		message, err := argument[string](req)
		if err == nil {
			err = errors.New(message)
		}
		return nil, err
	case "sleep":
		millis, err := argument[int64](req)
		time.Sleep(time.Duration(millis) * time.Millisecond)
		return u.name, err
	case "whoami":
		return u.name, nil
	case "attachments":
		seen := map[string]string{}
		req.GetAttachments().Range(func(key, value string) bool {
			seen[key] = value
			return true
		})
		return seen, nil
	}
	return nil, fmt.Errorf("no such method: %s", req.GetMethod())
}

// argument is the first one of a call.
func argument[T any](req core.Request) (T, error) {
	var value T
	if err := req.ProcessDeserializable([]any{&value}); err != nil {
		return value, err
	}
	switch found := req.GetArguments()[0].(type) {
	case T:
		return found, nil
	case *T:
		return *found, nil
	}
	return value, fmt.Errorf("argument is a %T", req.GetArguments()[0])
}

func (u *userService) arrived(request) (any, error) {
	u.lock.Lock()
	defer u.lock.Unlock()
	counts := map[string]int{}
	for method, count := range u.counts {
		counts[method] = count
	}
	return counts, nil
}

func provide(control *jsonLines, arguments []string) error {
	name, port, group, version := arguments[0], arguments[1], arguments[2], arguments[3]
	user := &userService{name: name, counts: map[string]int{}}
	file, err := configuration(fmt.Sprintf(`
motan-server:
  log_dir: stdout
  application: %s
motan-registry:
  direct:
    protocol: direct
motan-service:
  user:
    path: %s
    group: %s
    version: "%s"
    registry: direct
    provider: interop
    protocol: motan2
    serialization: simple
    ref: user
    export: "motan2:%s"
`, name, service, group, version, port))
	if err != nil {
		return err
	}
	defer os.Remove(file)
	context := motan.GetMotanServerContextWithFlagParse(file, false)
	if context == nil {
		return errors.New("motan-go does not take its configuration")
	}
	extensions := motan.GetDefaultExtFactory()
	extensions.RegistExtProvider("interop", func(url *core.URL) core.Provider {
		user.url = url
		return user
	})
	if err := context.RegisterService(user, "user"); err != nil {
		return err
	}
	context.Start(extensions)
	context.ServicesAvailable()
	control.commands = map[string]command{"counts": user.arrived}
	control.ready(map[string]any{"name": name})
	return control.serve()
}
