// Command peer is a dubbo-go provider or consumer of org.sabir.demo.UserService:
//
//	peer provider NAME PORT GROUP VERSION [tri]
//	peer consumer NAME
//	peer stream-provider NAME PORT
//	peer stream-consumer NAME
package main

import (
	"fmt"
	"os"

	_ "dubbo.apache.org/dubbo-go/v3/cluster/cluster/failover"
	_ "dubbo.apache.org/dubbo-go/v3/cluster/loadbalance/random"
	_ "dubbo.apache.org/dubbo-go/v3/filter/echo"
	_ "dubbo.apache.org/dubbo-go/v3/filter/generic"
	_ "dubbo.apache.org/dubbo-go/v3/filter/graceful_shutdown"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/dubbo"
	_ "dubbo.apache.org/dubbo-go/v3/protocol/triple"
	_ "dubbo.apache.org/dubbo-go/v3/proxy/proxy_factory"
	"dubbo.apache.org/dubbo-go/v3/remoting/getty"
	hessian "github.com/apache/dubbo-go-hessian2"
)

const service = "org.sabir.demo.UserService"

func main() {
	control := newJSONLines()
	registerWireFilter()
	configureConnections()
	hessian.RegisterPOJO(&User{})
	hessian.RegisterPOJO(&Address{})
	hessian.RegisterPOJO(&UserNotFoundException{})
	var err error
	switch {
	case len(os.Args) >= 6 && os.Args[1] == "provider":
		err = provide(control, os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == "consumer":
		err = consume(control, os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "stream-provider":
		err = provideStreams(control, os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "stream-consumer":
		err = consumeStreams(control, os.Args[2])
	default:
		err = fmt.Errorf("usage: peer [stream-]provider NAME PORT [GROUP VERSION [tri]] | peer [stream-]consumer NAME")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// configureConnections lifts dubbo-go's message limit of about 1 MB to Dubbo's usual 8 MiB, and makes
// heartbeats frequent enough for a test to outlast several.
func configureConnections() {
	consumer := getty.GetDefaultClientConfig()
	consumer.ConnectionNum = 1
	consumer.HeartbeatPeriod = "1s"
	consumer.SessionTimeout = "4s"
	consumer.GettySessionParam.MaxMsgLen = 8 << 20
	getty.SetClientConf(*consumer)
	provider := getty.GetDefaultServerConfig()
	provider.GettySessionParam.MaxMsgLen = 8 << 20
	getty.SetServerConfig(*provider)
}
