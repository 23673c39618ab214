package library

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheExampleIsValid(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sources.yaml")
	if err := os.WriteFile(file, []byte(Example), 0o600); err != nil {
		t.Fatal(err)
	}
	specs, err := ReadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Spec{
		{Name: "archive", Kind: PACS, URL: "https://pacs.example.org/dicom-web", Username: "tomocast",
			PasswordFile: filepath.Join(dir, "secrets/pacs"), CAFile: filepath.Join(dir, "hospital-ca.pem"),
			CertFile: filepath.Join(dir, "tomocast.pem"), KeyFile: filepath.Join(dir, "tomocast.key"), Timeout: 30 * time.Second, Writable: true, Site: "north"},
		{Name: "research", Kind: Folder, Path: "/data/research"},
		{Name: "kept", Kind: Store, Path: "/data/kept", Writable: true},
	}
	if len(specs) != len(want) {
		t.Fatalf("%+v", specs)
	}
	for i := range want {
		if specs[i] != want[i] {
			t.Errorf("%+v, want %+v", specs[i], want[i])
		}
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	pacs := "sources:\n  - name: a\n    kind: pacs\n    url: https://p\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":                   {"", "line 1: the file is empty"},
		"only a comment":          {"# nothing\n", "line 1: the file is empty"},
		"no YAML":                 {"sources:\n  - name: [", "line 2"},
		"not a mapping":           {"- a\n", "line 1: the file has a list named sources"},
		"nothing in it":           {"{}", "line 1"},
		"other field":             {"sources: []\nstudies: 1\n", `line 2: unknown or repeated field "studies"`},
		"no sources":              {"sources: []\n", "line 1: sources is a list"},
		"no list":                 {"sources: a\n", "line 1: sources is a list"},
		"two documents":           {pacs + "---\n" + pacs, "more than one document"},
		"a text as source":        {"sources:\n  - a\n", "line 2: a source is a group"},
		"unknown field":           {pacs + "    password: secret\n", `line 5: unknown field "password"`},
		"twice":                   {pacs + "    kind: pacs\n", `line 5: "kind" appears twice`},
		"a list as value":         {pacs + "    username: [a]\n", `line 5: "username" needs one value`},
		"no value":                {pacs + "    username:\n", `line 5: "username" needs one value`},
		"alias":                   {"sources:\n  - &x\n    name: a\n    kind: folder\n    path: /p\n  - *x\n", "line 6: a source is a group"},
		"alias as value":          {"sources:\n  - name: &x a\n    kind: folder\n    path: *x\n", `line 4: "path" needs one value`},
		"same name":               {"sources:\n  - {name: a, kind: folder, path: /a}\n  - {name: a, kind: folder, path: /b}\n", "line 3: there is a source named a already"},
		"name":                    {"sources:\n  - {name: a b, kind: folder, path: /a}\n", `line 2: name "a b"`},
		"reserved name":           {"sources:\n  - {name: upload, kind: folder, path: /a}\n", "kept for files"},
		"no name":                 {"sources:\n  - {kind: folder, path: /a}\n", "line 2: name"},
		"kind":                    {"sources:\n  - {name: a, kind: ftp, path: /a}\n", `kind "ftp": folder, store or pacs`},
		"no path":                 {"sources:\n  - {name: a, kind: store}\n", "path is missing"},
		"path of a PACS":          {pacs + "    path: /x\n", "line 5: a pacs has no path"},
		"url of a folder":         {"sources:\n  - name: a\n    kind: folder\n    path: /a\n    url: https://p\n", "line 5: a folder has no url"},
		"writable folder":         {"sources:\n  - {name: a, kind: folder, path: /a, writable: true}\n", "only read"},
		"writable what":           {pacs + "    writable: often\n", "line 5: writable"},
		"timeout":                 {pacs + "    timeout: 5\n", "line 5: timeout"},
		"timeout too long":        {pacs + "    timeout: 24h\n", "line 5: timeout"},
		"no url":                  {"sources:\n  - {name: a, kind: pacs}\n", "url is the root"},
		"other scheme":            {"sources:\n  - {name: a, kind: pacs, url: 'file:///etc/passwd'}\n", "url is the root"},
		"query":                   {"sources:\n  - {name: a, kind: pacs, url: 'https://p/?a=b'}\n", "url is the root"},
		"credentials in the url":  {"sources:\n  - {name: a, kind: pacs, url: 'https://u:hidden@p/'}\n", "credentials in it"},
		"bearer and basic":        {pacs + "    bearer-file: b\n    username: u\n    password-file: p\n", "exclude each other"},
		"no password":             {pacs + "    username: u\n", "come together"},
		"no key":                  {pacs + "    client-cert-file: c\n", "come together"},
		"colon in the username":   {pacs + "    username: 'a:b'\n    password-file: p\n", "no colon"},
		"too long":                {"#" + strings.Repeat("x", maxConfig), "longer than"},
		"too many":                {"sources:\n" + strings.Repeat("  - {name: a, kind: folder, path: /a}\n", maxSources+1), "at most 64"},
		"deeply nested":           {"sources: " + strings.Repeat("[", 20_000), "line 1"},
		"a key that is no scalar": {"sources:\n  - {[a]: b}\n", "line 2"},
	} {
		_, err := parseConfig([]byte(c.text), "/etc")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := ReadConfig(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a file that is not there is read")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte("sources:\n  - &x {name: a, kind: folder, path: /a}\n  - *x\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		specs, err := parseConfig(data, "/etc")
		if err != nil && !strings.Contains(err.Error(), "line ") {
			t.Errorf("no line in %v", err)
		}
		for _, s := range specs {
			if err := s.check(); err != nil {
				t.Error(err)
			}
		}
	})
}
