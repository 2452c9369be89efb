package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"dubbo.apache.org/dubbo-go/v3/global"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	"dubbo.apache.org/dubbo-go/v3/server"
)

// UserService answers with what it was given.
type UserService struct {
	name string
}

// Reference is the interface that this implements.
func (*UserService) Reference() string { return service }

// MappedService is what is exported in the Dubbo protocol; for Triple see tripleInfo.
type MappedService struct {
	*UserService
}

// MethodMapper gives the Java names of the methods.
func (MappedService) MethodMapper() map[string]string {
	return map[string]string{
		"EchoString": "echoString", "EchoUser": "echoUser", "EchoList": "echoList", "EchoMap": "echoMap",
		"EchoBytes": "echoBytes", "Add": "add", "EchoAsync": "echoAsync", "Nothing": "nothing", "Touch": "touch",
		"Note": "note",
		"Fail": "fail", "Sleep": "sleep", "Whoami": "whoami", "Attachments": "attachments",
	}
}

func (s *UserService) EchoString(_ context.Context, text string) (string, error) { return text, nil }

func (s *UserService) EchoUser(_ context.Context, user *User) (*User, error) { return user, nil }

// EchoList gets all arguments in one slice: dubbo-go treats a sole []any parameter that way.
func (s *UserService) EchoList(_ context.Context, arguments []any) (any, error) {
	return arguments[0], nil
}

func (s *UserService) EchoMap(_ context.Context, users map[any]any) (map[any]any, error) {
	return users, nil
}

func (s *UserService) EchoBytes(_ context.Context, bytes []byte) ([]byte, error) { return bytes, nil }

func (s *UserService) Add(_ context.Context, left int32, right int64) (int64, error) {
	return int64(left) + right, nil
}

func (s *UserService) EchoAsync(_ context.Context, text string) (string, error) { return text, nil }

func (s *UserService) Nothing(_ context.Context) (*string, error) { return nil, nil }

func (s *UserService) Touch(_ context.Context, _ string) error { return nil }

func (s *UserService) Note(_ context.Context, _ string) error { return nil }

func (s *UserService) Fail(_ context.Context, kind, message string) (string, error) {
	if kind == "checked" {
		return "", &UserNotFoundException{DetailMessage: message, UserId: 7}
	}
	return "", errors.New(message)
}

func (s *UserService) Sleep(_ context.Context, millis int64) (string, error) {
	time.Sleep(time.Duration(millis) * time.Millisecond)
	return s.name, nil
}

func (s *UserService) Whoami(_ context.Context) (string, error) { return s.name, nil }

func (s *UserService) Attachments(ctx context.Context) (map[any]any, error) {
	return ctx.Value(seenKey).(map[any]any), nil
}

func provide(control *jsonLines, arguments []string) error {
	name, group, version := arguments[0], arguments[2], arguments[3]
	port, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	application := global.DefaultApplicationConfig()
	// Else its metadata service takes the same port, on all addresses.
	application.MetadataType = "remote"
	user := &UserService{name: name}
	spoken, triple := protocol.WithDubbo(), len(arguments) > 4 && arguments[4] == "tri"
	if triple {
		spoken = protocol.WithTriple()
	}
	srv, err := server.NewServer(server.SetServerApplication(application), server.WithServerProtocol(
		spoken, protocol.WithIp("127.0.0.1"), protocol.WithPort(port)))
	if err != nil {
		return err
	}
	options := []server.ServiceOption{
		server.WithInterface(service), server.WithGroup(group), server.WithVersion(version),
		server.WithNotRegister(), server.WithFilter("echo,generic_service,wire-provider"),
		server.WithSerialization("hessian2"),
	}
	if triple {
		err = srv.Register(user, tripleInfo(user), options...)
	} else {
		err = srv.RegisterService(&MappedService{user}, options...)
	}
	if err != nil {
		return err
	}
	control.commands["counts"] = func(request) (any, error) { return arrived(), nil }
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
	control.ready(map[string]any{"name": name, "port": port, "dubbo": "go"})
	return <-failed
}

func untilListening(port int, failed chan error) error {
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-failed:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
