package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// viewer answers what is not of the API: the viewer's pages and files. On a loopback address its page brings the
// cookie that lets it use the API.
func (s *server) viewer(w http.ResponseWriter, r *http.Request) {
	if s.Local != nil && isPage(r.URL.Path) {
		s.Local.GiveCookie(w, r)
	}
	s.Viewer.ServeHTTP(w, r)
}

// pages are the paths that the viewer's page answers itself: the list of studies, the viewer of one, and what operators
// see of the pool.
var pages = []string{"/", "/index.html", "/viewer", "/viewer/", "/ops", "/ops/"}

func isPage(p string) bool { return slices.Contains(pages, p) }

// Files serves the viewer's files.
type Files struct{ files map[string]*file }

// file is a file as it is sent.
type file struct {
	body, zipped []byte // zipped is nil where that saves nothing
	kind, tag    string
	forever      bool // its name changes with its contents
}

// types are the media types of what a viewer is made of, which do not depend on the machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".json": "application/json", ".map": "application/json", ".svg": "image/svg+xml",
	".png": "image/png", ".webp": "image/webp", ".ico": "image/x-icon", ".woff2": "font/woff2", ".wasm": "application/wasm",
	".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}

// NewFiles reads the viewer from its folder, which has an index.html and, below assets, files whose names have a hash
// of their contents.
func NewFiles(dir fs.FS) (*Files, error) {
	f := &Files{files: map[string]*file{}}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		f.files["/"+name] = newFile(name, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the viewer's files: %w", err)
	}
	page := f.files["/index.html"]
	if page == nil {
		return nil, fmt.Errorf("the viewer has no index.html: build it with make build")
	}
	for _, p := range pages {
		f.files[p] = page
	}
	return f, nil
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	f := &file{body: body, tag: `"` + hex.EncodeToString(sum[:12]) + `"`, kind: types[path.Ext(name)], forever: strings.HasPrefix(name, "assets/")}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // a constant level is valid
	_, _ = w.Write(body)                                  // a buffer takes all
	_ = w.Close()
	if z.Len() < len(body)*9/10 {
		f.zipped = z.Bytes()
	}
	return f
}

// ServeHTTP sends a file.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file := f.files[r.URL.Path]
	if file == nil {
		Refuse(w, &Problem{Title: "There is no such page.", Status: http.StatusNotFound, Code: codeOf(http.StatusNotFound), Detail: "The list of studies is at /."})
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		Refuse(w, &Problem{Title: "This can only be read.", Status: http.StatusMethodNotAllowed, Code: codeOf(http.StatusMethodNotAllowed)})
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "no-cache")
	if file.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body, tag := file.body, file.tag
	if file.zipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) && r.Header.Get("Range") == "" {
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Length", strconv.Itoa(len(file.zipped)))
			body, tag = file.zipped, strings.TrimSuffix(file.tag, `"`)+`-z"`
		}
	}
	h.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// acceptsGzip reads Accept-Encoding as far as browsers use it (RFC 9110 section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == "gzip" {
			return strings.ReplaceAll(parameters, " ", "") != "q=0"
		}
	}
	return false
}
