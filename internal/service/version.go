package service

import (
	"runtime/debug"
	"strings"
	"sync"
)

// version is set at build time:
//
//	go build -ldflags "-X github.com/tomocast/tomocast/internal/service.version=1.2.3"
var version string

// Version is the version of the program: the one set at build time, else the module's, else the revision it
// was built from.
var Version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if version != "" || !ok {
		if version == "" {
			return "unknown"
		}
		return version
	}
	if v := info.Main.Version; v != "" && v != "(devel)" && !strings.HasPrefix(v, "v0.0.0-") {
		return v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if revision == "" {
		return "development"
	}
	return revision + dirty
})
