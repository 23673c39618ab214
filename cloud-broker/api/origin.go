package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ParseOrigin checks an origin (RFC 6454 section 4): a scheme and a host, and a port where it is not the scheme's own.
func ParseOrigin(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
		strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.Host, "*;, '\"") {
		return "", fmt.Errorf("%.100q is no origin: write it like https://portal.example.org", s)
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), nil
}

// ownOrigin says whether origin is that of this broker, as the request names it.
func ownOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allowedOrigin says whether a page of origin may use the API. Programs send none.
func (s *server) allowedOrigin(r *http.Request, origin string) bool {
	return origin == "" || ownOrigin(r, origin) || slices.Contains(s.Origins, strings.ToLower(origin))
}

// cors answers browsers that ask whether a page of another origin may use the API (Fetch, CORS protocol). Such a
// page shows a bearer token: cookies are never allowed to it.
func (s *server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		api := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/dicom-web/")
		h := w.Header()
		if api || len(s.Origins) > 0 {
			h.Add("Vary", "Origin")
		}
		if origin != "" && slices.Contains(s.Origins, strings.ToLower(origin)) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Retry-After, ETag")
			// A page that requires it of all that it loads (Cross-Origin-Embedder-Policy) can load the viewer's files.
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
			h.Set("Access-Control-Max-Age", "600")
			if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
				h.Set("Access-Control-Allow-Private-Network", "true")
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// headers sets what holds for every answer.
func (s *server) headers(next http.Handler) http.Handler {
	ancestors := "'self'"
	if len(s.Origins) > 0 {
		ancestors += " " + strings.Join(s.Origins, " ")
	}
	// The viewer is of its own files alone. Edges may be asked, pinged and signalled to directly, wherever they are. Styles
	// are set by script on elements, for positions of overlays.
	policy := "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; " +
		"media-src 'self' blob: mediastream:; font-src 'self'; connect-src 'self' http: https: ws: wss:; worker-src 'self' blob:; manifest-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors " + ancestors
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}
