package sites

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNumber bounds numbers that are no amounts.
const maxNumber = 1e6

// document parses data into the root of its one document. It is walked by hand from there, so that every complaint has
// its line and nothing is expanded.
func document(data []byte) (*yaml.Node, error) {
	var doc yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(data))
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("line 1: the file is empty; it has sites, distances, nodes or buffer")
	case err != nil:
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if !strings.HasPrefix(text, "line ") {
			text = "line 1: " + text
		}
		return nil, errors.New(text)
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("line 1: there is more than one document in the file")
	}
	return doc.Content[0], nil
}

func at(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...)
}

// reader takes the value of one field.
type reader func(*yaml.Node) error

// fields reads a mapping whose fields are those of readers, each at most once. what names it in complaints.
func fields(n *yaml.Node, what string, readers map[string]reader) error {
	return each(n, what, func(k, v *yaml.Node) error {
		read := readers[k.Value]
		if read == nil {
			return at(k, "unknown field %.40q in %s", k.Value, what)
		}
		if err := read(v); err != nil {
			return err
		}
		return nil
	})
}

// each calls read for the keys and values of a mapping, in order. A key that appears twice is refused.
func each(n *yaml.Node, what string, read func(k, v *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s is a group of fields", what)
	}
	given := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			return at(k, "a field's name in %s is a word", what)
		}
		if given[k.Value] {
			return at(k, "%.40q appears twice", k.Value)
		}
		given[k.Value] = true
		if err := read(k, v); err != nil {
			return err
		}
	}
	return nil
}

// list calls read for each entry of a list of at most most.
func list(n *yaml.Node, what string, most int, read reader) error {
	if n.Kind != yaml.SequenceNode {
		return at(n, "%s is a list", what)
	}
	if len(n.Content) > most {
		return at(n, "%s has %d entries: at most %d", what, len(n.Content), most)
	}
	for _, v := range n.Content {
		if err := read(v); err != nil {
			return err
		}
	}
	return nil
}

func text(n *yaml.Node, what string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		return "", at(n, "%s needs one value", what)
	}
	return n.Value, nil
}

// number reads a number from 0 to most.
func number(n *yaml.Node, what string, most float64) (float64, error) {
	s, err := text(n, what)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > most {
		return 0, at(n, "%s %.40q: a number from 0 to %g", what, s, most)
	}
	return v, nil
}

// whole reads a whole number from 0 to most.
func whole(n *yaml.Node, what string, most int64) (int64, error) {
	s, err := text(n, what)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 || v > most {
		return 0, at(n, "%s %.40q: a whole number from 0 to %d", what, s, most)
	}
	return v, nil
}

// boolean reads true and on, or false and off.
func boolean(n *yaml.Node, what string) (bool, error) {
	switch s, err := text(n, what); {
	case err != nil:
		return false, err
	case s == "true" || s == "on":
		return true, nil
	case s == "false" || s == "off":
		return false, nil
	default:
		return false, at(n, "%s %.40q: on or off", what, s)
	}
}
