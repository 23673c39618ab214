package library

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret bounds a file with a password, token, certificates or a key.
const maxSecret = 256 << 10

// readSecret reads a file as text. Its contents are in no error.
func readSecret(what, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the %s: %w", what, err)
	case len(b) > maxSecret:
		return "", fmt.Errorf("the %s in %s is longer than %d bytes", what, file, maxSecret)
	case len(strings.TrimSpace(string(b))) == 0:
		return "", fmt.Errorf("the %s in %s is empty", what, file)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
