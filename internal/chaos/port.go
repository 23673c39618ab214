package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports of servers that come back at the same address lie below those that systems give to clients (Linux: from 32768, RFC
// 6335: from 49152). Else one of the many connections of a run could take the port while its server is away.
const firstPort, lastPort = 20_000, 32_000

// listen opens a port of its own for a server.
func listen() (net.Listener, error) {
	var err error
	for range 1000 {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("chaos: find a free port: %w", err)
}

// freeAddress is an address at which a server can be started.
func freeAddress() (string, error) {
	l, err := listen()
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
