package library

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tomocast/tomocast/internal/strictyaml"
	"github.com/tomocast/tomocast/signaling"
)

// Kind is what a source is.
type Kind string

// The kinds of sources.
const (
	Folder Kind = "folder" // a directory of files, only read
	Store  Kind = "store"  // a directory that files are added to and deleted from, which several brokers may share
	PACS   Kind = "pacs"   // a DICOMweb service (PS3.18)
)

// Spec is a source as it is configured.
type Spec struct {
	Name string // as tasks name it
	Kind Kind
	// Path is the directory of a folder or store.
	Path string
	// URL is the root of a PACS's DICOMweb service, below which /studies is.
	URL string
	// Username and PasswordFile are for basic authentication (RFC 7617) at a PACS, BearerFile for a token (RFC 6750).
	// Secrets are files, read again for every use, so that they can be renewed.
	Username, PasswordFile, BearerFile string
	// CAFile has the authorities (PEM) that are trusted for a PACS instead of the system's; CertFile and KeyFile the
	// client's own certificate and key, PEM.
	CAFile, CertFile, KeyFile string
	// Timeout is how long a PACS may send nothing; 0 is the usual.
	Timeout time.Duration
	// Writable says that files may be sent to it (STOW-RS). Stores are, unless they say otherwise; folders never.
	Writable bool
	// Site is the site that the studies are of, as the configuration of sites names it; empty where they are of no one
	// site. Where that site's data stays, they are worked on there alone.
	Site string
}

// Bounds of the configuration file.
const (
	maxConfig  = 1 << 20
	maxSources = 64
	minTimeout = time.Second
	maxTimeout = 10 * time.Minute
)

// Example is a configuration file with every field, for documentation.
const Example = `sources:
  - name: archive                 # letters, digits, '.', '-' and '_'
    kind: pacs                    # a DICOMweb service
    url: https://pacs.example.org/dicom-web
    username: tomocast            # basic authentication, with password-file; or
    password-file: secrets/pacs   # bearer-file: secrets/token
    ca-file: hospital-ca.pem      # trusted instead of the system's authorities
    client-cert-file: tomocast.pem
    client-key-file: tomocast.key
    timeout: 30s                  # how long it may send nothing
    writable: true                # files may be sent there (STOW-RS)
    site: north                   # whose studies they are, where sites are configured
  - name: research
    kind: folder                  # DICOM, NIfTI, NRRD and zip files, only read
    path: /data/research
  - name: kept
    kind: store                   # what users keep; brokers may share the folder
    path: /data/kept
`

// ReadConfig reads the configuration of sources, YAML as Example shows. Paths in it are relative to its own folder.
// What cannot be is refused with its line.
func ReadConfig(file string) ([]Spec, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of sources: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration of sources %s: %w", file, err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("configuration of sources %s: %w", file, err)
	}
	specs, err := parseConfig(data, dir)
	if err != nil {
		return nil, fmt.Errorf("%s, %w", file, err)
	}
	return specs, nil
}

// parseConfig reads data, whose paths are relative to dir.
func parseConfig(data []byte, dir string) ([]Spec, error) {
	if len(data) > maxConfig {
		return nil, fmt.Errorf("line 1: the file is longer than %d bytes", maxConfig)
	}
	root, err := strictyaml.Document(data, "a list named sources")
	if err != nil {
		return nil, err
	}
	list, err := only(root, "sources")
	if err != nil {
		return nil, err
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, strictyaml.At(list, "sources is a list with at least one source")
	}
	if len(list.Content) > maxSources {
		return nil, strictyaml.At(list, "there are %d sources: at most %d", len(list.Content), maxSources)
	}
	specs := make([]Spec, len(list.Content))
	for i, n := range list.Content {
		if err := specs[i].read(n, dir); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(specs[:i], func(s Spec) bool { return s.Name == specs[i].Name }) {
			return nil, strictyaml.At(n, "there is a source named %s already", specs[i].Name)
		}
	}
	return specs, nil
}

// only is the value of the one field that a mapping has.
func only(n *yaml.Node, name string) (*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, strictyaml.At(n, "the file has a list named %s", name)
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Value != name || i > 0 {
			return nil, strictyaml.At(k, "unknown or repeated field %.40q: the file has one list named %s", k.Value, name)
		}
	}
	if len(n.Content) == 0 {
		return nil, strictyaml.At(n, "the file has a list named %s", name)
	}
	return n.Content[1], nil
}

// read takes a source from its mapping.
func (s *Spec) read(n *yaml.Node, dir string) error {
	if n.Kind != yaml.MappingNode {
		return strictyaml.At(n, "a source is a group of fields: name, kind, and path or url")
	}
	texts := map[string]*string{"name": &s.Name, "kind": (*string)(&s.Kind), "url": &s.URL, "username": &s.Username, "site": &s.Site}
	paths := map[string]*string{
		"path": &s.Path, "password-file": &s.PasswordFile, "bearer-file": &s.BearerFile, "ca-file": &s.CAFile,
		"client-cert-file": &s.CertFile, "client-key-file": &s.KeyFile,
	}
	given := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if given[k.Value] != nil {
			return strictyaml.At(k, "%.40q appears twice", k.Value)
		}
		given[k.Value] = v
		if v.Kind != yaml.ScalarNode || v.Value == "" {
			return strictyaml.At(v, "%.40q needs one value", k.Value)
		}
		var err error
		switch {
		case texts[k.Value] != nil:
			*texts[k.Value] = v.Value
		case paths[k.Value] != nil:
			p := v.Value
			if !filepath.IsAbs(p) {
				p = filepath.Join(dir, p)
			}
			*paths[k.Value] = p
		case k.Value == "timeout":
			if s.Timeout, err = time.ParseDuration(v.Value); err != nil || s.Timeout < minTimeout || s.Timeout > maxTimeout {
				return strictyaml.At(v, "timeout %.40q: write it like 30s, %v to %v", v.Value, minTimeout, maxTimeout)
			}
		case k.Value == "writable":
			if s.Writable, err = strconv.ParseBool(v.Value); err != nil {
				return strictyaml.At(v, "writable %.40q: true or false", v.Value)
			}
		default:
			return strictyaml.At(k, "unknown field %.40q: a source has name, kind, path, url, username, password-file, bearer-file, ca-file, "+
				"client-cert-file, client-key-file, timeout, writable and site", k.Value)
		}
	}
	if s.Kind == Store && given["writable"] == nil {
		s.Writable = true
	}
	for _, name := range s.needless() {
		if given[name] != nil {
			return strictyaml.At(given[name], "a %s has no %s", s.Kind, name)
		}
	}
	if err := s.check(); err != nil {
		return strictyaml.At(n, "%w", err)
	}
	return nil
}

// needless are the fields that a source of its kind does not have.
func (s *Spec) needless() []string {
	if s.Kind == PACS {
		return []string{"path"}
	}
	return []string{"url", "username", "password-file", "bearer-file", "ca-file", "client-cert-file", "client-key-file", "timeout"}
}

// check refuses what cannot be, or not together.
func (s *Spec) check() error {
	switch {
	case !signaling.ValidName(s.Name):
		return fmt.Errorf("name %.70q: letters, digits, '.', '-' and '_', at most 63", s.Name)
	case s.Name == signaling.Uploads:
		return fmt.Errorf("name %s is kept for files that users send to their edge", s.Name)
	case s.Site != "" && !signaling.ValidName(s.Site):
		return fmt.Errorf("source %s: site %.70q: letters, digits, '.', '-' and '_', at most 63", s.Name, s.Site)
	case s.Kind != Folder && s.Kind != Store && s.Kind != PACS:
		return fmt.Errorf("source %s: kind %.40q: folder, store or pacs", s.Name, string(s.Kind))
	case s.Kind != PACS && s.Path == "":
		return fmt.Errorf("source %s: path is missing: the directory of the %s", s.Name, s.Kind)
	case s.Kind == Folder && s.Writable:
		return fmt.Errorf("source %s: a folder is only read; the kind store takes files", s.Name)
	case s.Kind != PACS:
		return nil
	case s.BearerFile != "" && (s.Username != "" || s.PasswordFile != ""):
		return fmt.Errorf("source %s: bearer-file and username exclude each other", s.Name)
	case (s.Username == "") != (s.PasswordFile == ""):
		return fmt.Errorf("source %s: username and password-file come together", s.Name)
	case (s.CertFile == "") != (s.KeyFile == ""):
		return fmt.Errorf("source %s: client-cert-file and client-key-file come together", s.Name)
	case strings.Contains(s.Username, ":"):
		return fmt.Errorf("source %s: a username has no colon (RFC 7617 section 2)", s.Name)
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("source %s: url is the root of a DICOMweb service, like https://pacs.example.org/dicom-web", s.Name)
	}
	if u.User != nil {
		return fmt.Errorf("source %s: url has credentials in it: give username and password-file instead", s.Name)
	}
	return nil
}
