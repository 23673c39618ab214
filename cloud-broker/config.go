package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tomocast/tomocast/cloud-broker/api"
	"github.com/tomocast/tomocast/cloud-broker/library"
	"github.com/tomocast/tomocast/cloud-broker/sites"
	"github.com/tomocast/tomocast/internal/identity"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/signaling"
)

// config is what the command line and the environment say.
type config struct {
	version bool

	listen, certFile, keyFile string
	origins                   []string
	proxies                   []netip.Prefix // reverse proxies that are believed
	metricsSecret             string

	studies, sourceName, cacheDir string
	sourcesFile                   string
	sources                       []library.Spec // read from it
	rescan                        time.Duration
	demo                          bool

	redis, pool, tokenKeyFile string
	sites                     *sites.Config

	oidcIssuer, oidcAudience  string
	oidcOperators, oidcUrgent []string
	localToken                string
	edgeSecret, edgeSecrets   string

	relays            identity.Relays
	wait, idle, grace time.Duration

	logger func(io.Writer) (*slog.Logger, error)
}

// turnTTL is how long a TURN credential holds: as long as a session with its ICE restarts may take.
const turnTTL = 12 * time.Hour

// parse reads args and the environment, and refuses what cannot be.
func parse(args []string) (*config, error) {
	c := &config{}
	f := service.NewFlags("cloud-broker", "The broker of Tomocast: serves the viewer, its API and studies, knows which edge renderers are free, "+
		"and gives each session a place.")

	f.Command("pool", "show the nodes of a running pool and change them: cloud-broker pool --help")
	f.Command("simulate", "replay a trace of tasks on nodes and compare policies: cloud-broker simulate --help")
	f.Command("predict", "show how well run times are predicted, of a running pool or a trace: cloud-broker predict --help")
	f.Group("Studies")
	studies := f.String("studies", "", "`folder` of studies to serve, with all folders below it: DICOM, NIfTI, NRRD and zip files")
	demo := f.Bool("demo", false, "serve a demo study that is made at start, where --studies is not given")
	name := f.String("source", "local", "`name` of the source that --studies or --demo is, as tasks refer to it")
	sources := f.String("sources", "", "YAML `file` that names more sources: folders, a store for what users keep, and PACS by DICOMweb, "+
		"each with name, kind (folder, store or pacs), path or url, and for a PACS username, password-file, bearer-file, ca-file, "+
		"client-cert-file, client-key-file, timeout, writable and site")
	cache := f.String("cache-dir", "", "`folder` that the index of the studies and the demo study last in (default: tomocast in the user's cache folder)")
	rescan := f.Duration("rescan", time.Minute, "how often new and changed files are looked for")

	f.Group("Network")
	listen := f.String("listen", "127.0.0.1:8080", "`address` to serve the viewer and the API on; beyond this machine it needs --oidc-issuer")
	cert := f.String("tls-cert", "", "PEM `file` with the certificate to serve HTTPS with; it is read again when it changes")
	key := f.String("tls-key", "", "PEM `file` with the certificate's key")
	origins := f.Strings("allowed-origins", "`origin` of another site whose pages may use the API and show the viewer, like https://portal.example.org; "+
		"may be given several times")
	proxies := f.Strings("trusted-proxies", "`prefix` of the addresses of reverse proxies whose X-Forwarded-For is believed, like 10.0.0.0/24; may be given several times")
	stun := f.Strings("stun-url", "`URL` of a STUN server, like stun:stun.example.org:3478; may be given several times")
	turn := f.Strings("turn-url", "`URL` of a TURN server, like turn:turn.example.org:3478?transport=udp; may be given several times")
	turnSecret := f.Secret("turn-secret", "`file` with the secret shared with the TURN servers (use-auth-secret of coturn), from which short-lived credentials are made")

	f.Group("Identity")
	issuer := f.String("oidc-issuer", "", "`URL` of the OpenID Connect issuer whose tokens are taken; without it only this machine's user is served")
	audience := f.String("oidc-audience", "", "`audience` that tokens must be for")
	operators := f.Strings("oidc-operators", "`name` of a subject, group or role that is an operator; may be given several times")
	urgent := f.Strings("oidc-urgent", "`name` of a subject, group or role that may ask for an urgent place; may be given several times")
	localToken := f.Secret("local-token", "`file` with the token of this machine's user, where no issuer is set; without it one is made at every start")
	edgeSecret := f.Secret("edge-secret", "`file` with the secret that edges show")
	edgeSecrets := f.String("edge-secrets", "", "`file` with lines \"node-id secret\": edges named there have a secret of their own")
	tokenKey := f.String("token-key-file", "", "PEM `file` with the Ed25519 key that signs sessions' tokens; without it the brokers of a pool share one through Redis")
	metricsSecret := f.Secret("metrics-secret", "`file` with the bearer token that lets a collector read /metrics; operators may read it too")

	f.Group("Pool")
	redis := f.String("redis", "", "`URL` of Redis: redis://, rediss:// (TLS), redis+sentinel:// or redis+cluster://[user:password@]host[:port]; "+
		"without it an embedded one serves this broker alone")
	pool := f.String("pool", "tomocast", "`name` of the pool; brokers of the same Redis and pool work as one")

	places := f.String("sites", "", "YAML `file` that says where terminals and nodes are: sites with their zones, networks, limits of distance and whether "+
		"their data stays, the distances between zones, what nodes offer in place of what they say and when they are open, how many are kept free, "+
		"how nodes are chosen, users' quotas, and how running tasks are scaled and moved (scaling: off and defragment: off leave them as they are)")

	f.Group("Sessions")
	wait := f.Duration("session-wait", 30*time.Second, "how long a terminal may take to arrive at its edge")
	idle := f.Duration("session-idle", 30*time.Minute, "end a session after this long without input")
	grace := f.Duration("session-grace", 2*time.Minute, "how long a session waits for a terminal that is gone")

	c.logger = service.LogFlags(f)
	f.Group("Other")
	version := f.Bool("version", false, "print the version and end")

	if err := f.Parse(args); err != nil {
		return nil, err
	}
	*c = config{
		version: *version, listen: *listen, certFile: *cert, keyFile: *key, metricsSecret: *metricsSecret,
		studies: *studies, sourceName: *name, sourcesFile: *sources, cacheDir: *cache, rescan: *rescan, demo: *demo,
		redis: *redis, pool: *pool, tokenKeyFile: *tokenKey, sites: sites.Default(),
		oidcIssuer: *issuer, oidcAudience: *audience, oidcOperators: *operators, oidcUrgent: *urgent, localToken: *localToken,
		edgeSecret: *edgeSecret, edgeSecrets: *edgeSecrets,
		relays: identity.Relays{STUN: *stun, TURN: *turn, Secret: *turnSecret, TTL: turnTTL},
		wait:   *wait, idle: *idle, grace: *grace, logger: c.logger,
	}
	if c.version {
		return c, nil
	}
	for _, o := range *origins {
		origin, err := api.ParseOrigin(o)
		if err != nil {
			return nil, usage("--allowed-origins: %w", err)
		}
		c.origins = append(c.origins, origin)
	}
	for _, p := range *proxies {
		prefix, err := api.ParsePrefix(p)
		if err != nil {
			return nil, usage("--trusted-proxies: %w", err)
		}
		c.proxies = append(c.proxies, prefix)
	}
	if c.sourcesFile != "" {
		var err error
		if c.sources, err = library.ReadConfig(c.sourcesFile); err != nil {
			return nil, usage("--sources: %w", err)
		}
	}
	if *places != "" {
		var err error
		if c.sites, err = sites.Read(*places); err != nil {
			return nil, usage("--sites: %w", err)
		}
	}
	return c, c.check()
}

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{service.ErrUsage}, args...)...)
}

// check refuses settings that cannot be, or not together.
func (c *config) check() error {
	if err := service.CheckListen("listen", c.listen, c.oidcIssuer != "", "configure --oidc-issuer and --oidc-audience"); err != nil {
		return err
	}
	switch {
	case c.studies == "" && !c.demo && len(c.sources) == 0:
		return usage("there are no studies to serve: give --studies with a folder of DICOM files, --sources with a file that names sources, or --demo")
	case c.certFile == "" != (c.keyFile == ""):
		return usage("--tls-cert and --tls-key come together")
	case c.oidcIssuer == "" != (c.oidcAudience == ""):
		return usage("--oidc-issuer and --oidc-audience come together")
	case c.oidcIssuer == "" && len(c.oidcOperators) > 0:
		return usage("--oidc-operators needs --oidc-issuer")
	case c.oidcIssuer == "" && len(c.oidcUrgent) > 0:
		return usage("--oidc-urgent needs --oidc-issuer")
	case c.localToken != "" && len(c.localToken) < 16:
		return usage("--local-token-file: the token has %d characters: at least 16", len(c.localToken))
	case len(c.relays.TURN) > 0 && c.relays.Secret == "":
		return usage("--turn-url needs --turn-secret-file or %s", service.EnvName("turn-secret"))
	case c.edgeSecret == "" && c.edgeSecrets == "":
		return usage("no edge could connect: give --edge-secret-file, %s or --edge-secrets", service.EnvName("edge-secret"))
	case !signaling.ValidName(c.sourceName):
		return usage("--source %.70q: letters, digits, '.', '-' and '_', at most 63", c.sourceName)
	case !signaling.ValidName(c.pool):
		return usage("--pool %.70q: letters, digits, '.', '-' and '_', at most 63", c.pool)
	case c.rescan < time.Second:
		return usage("--rescan %v: at least 1s", c.rescan)
	}
	if err := c.checkSites(); err != nil {
		return err
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"session-wait", c.wait}, {"session-idle", c.idle}, {"session-grace", c.grace}} {
		if d.value < time.Second || d.value > 24*time.Hour {
			return usage("--%s %v: 1s to 24h", d.name, d.value)
		}
	}
	for _, u := range c.relays.STUN {
		if !strings.HasPrefix(u, "stun:") && !strings.HasPrefix(u, "stuns:") {
			return usage("--stun-url %.100q: write it like stun:stun.example.org:3478", u)
		}
	}
	for _, u := range c.relays.TURN {
		if !strings.HasPrefix(u, "turn:") && !strings.HasPrefix(u, "turns:") {
			return usage("--turn-url %.100q: write it like turn:turn.example.org:3478?transport=udp", u)
		}
	}
	if c.cacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return usage("--cache-dir is missing, and this user has no cache folder: %w", err)
		}
		c.cacheDir = filepath.Join(dir, "tomocast")
	}
	return nil
}

// checkSites refuses sources of sites that are not configured.
func (c *config) checkSites() error {
	for _, s := range c.sources {
		if s.Site == "" {
			continue
		}
		if !slices.ContainsFunc(c.sites.Sites, func(p sites.Site) bool { return p.Name == s.Site }) {
			return usage("--sources: source %s is of the site %s, which --sites does not have", s.Name, s.Site)
		}
	}
	return nil
}
