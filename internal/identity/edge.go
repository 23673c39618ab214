package identity

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/tomocast/tomocast/signaling"
)

// minSecret is the least length of an edge's secret, bytes: a guess must be hopeless.
const minSecret = 16

// Edges recognises edges by the secret that they show as bearer token when they open their link.
type Edges struct {
	shared string
	own    map[signaling.NodeID]string
}

// NewEdges returns an Edges that takes shared for any node (where it is not empty) and, for the nodes that
// listFile names, only their own: a file of lines "node-id secret", in which empty lines and lines that start with # are left out.
func NewEdges(shared, listFile string) (*Edges, error) {
	e := &Edges{shared: shared, own: map[signaling.NodeID]string{}}
	if shared != "" && len(shared) < minSecret {
		return nil, fmt.Errorf("the edges' secret has %d characters: at least %d", len(shared), minSecret)
	}
	if listFile == "" {
		return e, nil
	}
	f, err := os.Open(listFile)
	if err != nil {
		return nil, fmt.Errorf("read the edges' secrets: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 || !signaling.ValidName(fields[0]) || len(fields[1]) < minSecret {
			return nil, fmt.Errorf("%s, line %d: write the node's id, a space and a secret of at least %d characters", listFile, n, minSecret)
		}
		e.own[signaling.NodeID(fields[0])] = fields[1]
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", listFile, err)
	}
	return e, nil
}

// Configured says whether any edge can be recognised.
func (e *Edges) Configured() bool { return e.shared != "" || len(e.own) > 0 }

// Credential is what an edge has shown before it has said which node it is.
type Credential struct{ digest [32]byte }

// Present takes the credential from an edge's request. It refuses one that no node has.
func (e *Edges) Present(r *http.Request) (Credential, error) {
	token := bearer(r)
	if token == "" {
		return Credential{}, fmt.Errorf("%w: an edge sends its secret as Authorization: Bearer", ErrUnauthenticated)
	}
	c := Credential{sha256.Sum256([]byte(token))}
	known := e.shared != "" && c.is(e.shared)
	for _, secret := range e.own { // all of them, so that time tells nothing
		known = c.is(secret) || known
	}
	if !known {
		return Credential{}, fmt.Errorf("%w: the edge's secret is not one of this broker's", ErrUnauthenticated)
	}
	return c, nil
}

// For refuses a credential that is not node's: one with a secret of its own must show that one.
func (e *Edges) For(c Credential, node signaling.NodeID) error {
	secret, own := e.own[node]
	if !own {
		secret = e.shared
	}
	if secret == "" || !c.is(secret) {
		return fmt.Errorf("%w: the secret is not that of node %s", ErrForbidden, node)
	}
	return nil
}

// is compares in constant time, whatever the lengths.
func (c Credential) is(secret string) bool {
	d := sha256.Sum256([]byte(secret))
	return equal(string(c.digest[:]), string(d[:]))
}
