// Command peer is a motan-go provider or client of org.sabir.demo.UserService:
//
//	peer provider NAME PORT GROUP VERSION
//	peer consumer NAME
package main

import (
	"fmt"
	"os"
)

const service = "org.sabir.demo.UserService"

func main() {
	control := newJSONLines()
	var err error
	switch {
	case len(os.Args) == 6 && os.Args[1] == "provider":
		err = provide(control, os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == "consumer":
		err = consume(control, os.Args[2])
	default:
		err = fmt.Errorf("usage: peer provider NAME PORT GROUP VERSION | peer consumer NAME")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// configuration writes a file for motan-go, which reads its settings from nowhere else.
func configuration(text string) (string, error) {
	file, err := os.CreateTemp("", "motan-go-*.yaml")
	if err != nil {
		return "", err
	}
	defer file.Close()
	_, err = file.WriteString(text)
	return file.Name(), err
}
