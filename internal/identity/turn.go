package identity

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/tomocast/tomocast/signaling"
)

// Relays are the STUN and TURN servers that terminals and edges use.
type Relays struct {
	STUN, TURN []string
	// Secret is shared with the TURN servers.
	Secret string
	// TTL is how long a credential holds.
	TTL time.Duration
}

// Servers returns the servers with a credential for subject that lasts for TTL from now, as
// draft-uberti-behave-turn-rest-00 section 2.2 says: the user name is the expiry and a name, the password its
// HMAC-SHA1 under the shared secret.
func (s Relays) Servers(subject string, now time.Time) []signaling.ICEServer {
	servers := []signaling.ICEServer{}
	if len(s.STUN) > 0 {
		servers = append(servers, signaling.ICEServer{URLs: s.STUN})
	}
	if len(s.TURN) > 0 {
		user := strconv.FormatInt(now.Add(s.TTL).Unix(), 10) + ":" + strings.ReplaceAll(subject, ":", "_")
		mac := hmac.New(sha1.New, []byte(s.Secret))
		mac.Write([]byte(user))
		servers = append(servers, signaling.ICEServer{
			URLs: s.TURN, Username: user, Credential: base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		})
	}
	return servers
}
