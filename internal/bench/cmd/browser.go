package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"time"
)

// maxAnswer bounds an answer of the browser's script, bytes.
const maxAnswer = 64 << 20

// browser is Chromium, driven by web/bench/browser.mjs.
type browser struct {
	cmd     *exec.Cmd
	to      io.WriteCloser
	answers *bufio.Scanner
	log     tail
}

func startBrowser(ctx context.Context, s setup) (*browser, error) {
	b := &browser{cmd: exec.CommandContext(ctx, "node", filepath.Join("bench", "browser.mjs"))}
	b.cmd.Dir = filepath.Join(s.root, "web")
	b.cmd.Stderr = &b.log
	b.cmd.Cancel = func() error { return b.to.Close() } // it closes Chromium and ends
	b.cmd.WaitDelay = endWithin
	var err error
	if b.to, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.answers = bufio.NewScanner(out)
	b.answers.Buffer(nil, maxAnswer)
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the browser's script (needs Node.js): %w", err)
	}
	return b, nil
}

func (b *browser) stop() {
	_ = b.to.Close()
	_ = b.cmd.Wait()
}

// do has one operation carried out, see the script for what there is, and takes its result.
func (b *browser) do(op string, parameters map[string]any, result any) error {
	command := map[string]any{"op": op}
	for name, value := range parameters {
		command[name] = value
	}
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := b.to.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s in Chromium: %w: %s", op, err, b.log.String())
	}
	if !b.answers.Scan() {
		return fmt.Errorf("%s in Chromium: %w: %s", op, errors.Join(b.answers.Err(), io.ErrUnexpectedEOF), b.log.String())
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(b.answers.Bytes(), &answer); err != nil {
		return fmt.Errorf("%s in Chromium: answer not understood: %w", op, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("in Chromium: %s", answer.Error)
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("%s in Chromium: result not understood: %w", op, err)
	}
	return nil
}

// opened is what the script tells of a page that was opened. Times are milliseconds from asking for its URL.
type opened struct {
	FirstMs  float64            `json:"firstMs"`
	StillMs  float64            `json:"stillMs"`
	Lit      float64            `json:"lit"` // share of the first picture that is not black
	Scale    float64            `json:"scale"`
	RenderMs float64            `json:"renderMs"`
	EncodeMs float64            `json:"encodeMs"`
	Stages   map[string]float64 `json:"stages"` // when the viewer entered each state
}

// leastLit is the share of a first picture that must show something; a body fills more.
const leastLit = 0.02

func (b *browser) open(viewer string) (opened, error) {
	var o opened
	if err := b.do("open", map[string]any{"url": viewer}, &o); err != nil {
		return o, err
	}
	if o.Lit < leastLit {
		return o, fmt.Errorf("the first picture of %s is black", viewer)
	}
	return o, nil
}

// viewer is the URL of the viewer that shows the broker's only study, once that is indexed.
func (s *stack) viewer(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if _, err := s.status(ctx, "/api/v1/session"); err != nil { // gives the cookie
		return "", err
	}
	for {
		var list struct {
			Studies []struct {
				UID string `json:"studyInstanceUID"`
			} `json:"studies"`
		}
		if err := s.get(ctx, "/api/v1/studies", &list); err != nil {
			return "", err
		}
		if len(list.Studies) == 1 {
			return s.url + "/viewer?StudyInstanceUIDs=" + url.QueryEscape(list.Studies[0].UID), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the broker has %d studies, not the one to measure: %w", len(list.Studies), ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *stack) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
}
