// Command peer is a server and a client of Apache Thrift in Go, told what to do by JSON lines:
//
//	peer server PORT...      one port for each of kinds
//	peer client
package main

import (
	"fmt"
	"os"
)

// What servers listen for, in the order of their ports. Clients have "lax" beside them: the binary
// protocol of old.
var kinds = []string{
	"unframed-binary", "unframed-compact", "framed-binary", "framed-compact", "header-binary", "header-compact",
}

func main() {
	control := newJSONLines()
	var err error
	switch {
	case len(os.Args) == 2+len(kinds) && os.Args[1] == "server":
		err = serve(control, os.Args[2:])
	case len(os.Args) == 2 && os.Args[1] == "client":
		err = control.serve(carryOut)
	default:
		err = fmt.Errorf("usage: peer server PORT... | peer client")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
