// Package strictyaml walks a YAML document by hand: every complaint has its line, a field that is unknown or appears twice is
// refused, and nothing is expanded. Configuration files of the programs are read with it.
package strictyaml

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

// Document parses data into the root of its one document. holds says in words what the file has, for one that is empty.
func Document(data []byte, holds string) (*yaml.Node, error) {
	var doc yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(data))
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("line 1: the file is empty; it has %s", holds)
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

// At is an error on the line of n.
func At(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...)
}

// Reader takes the value of one field.
type Reader func(*yaml.Node) error

// Fields reads a mapping whose fields are those of readers, each at most once. what names it in complaints.
func Fields(n *yaml.Node, what string, readers map[string]Reader) error {
	return Each(n, what, func(k, v *yaml.Node) error {
		read := readers[k.Value]
		if read == nil {
			return At(k, "unknown field %.40q in %s", k.Value, what)
		}
		if err := read(v); err != nil {
			return err
		}
		return nil
	})
}

// Each calls read for the keys and values of a mapping, in order. A key that appears twice is refused.
func Each(n *yaml.Node, what string, read func(k, v *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return At(n, "%s is a group of fields", what)
	}
	given := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			return At(k, "a field's name in %s is a word", what)
		}
		if given[k.Value] {
			return At(k, "%.40q appears twice", k.Value)
		}
		given[k.Value] = true
		if err := read(k, v); err != nil {
			return err
		}
	}
	return nil
}

// List calls read for each entry of a list of at most most.
func List(n *yaml.Node, what string, most int, read Reader) error {
	if n.Kind != yaml.SequenceNode {
		return At(n, "%s is a list", what)
	}
	if len(n.Content) > most {
		return At(n, "%s has %d entries: at most %d", what, len(n.Content), most)
	}
	for _, v := range n.Content {
		if err := read(v); err != nil {
			return err
		}
	}
	return nil
}

// Text reads a value that is not empty.
func Text(n *yaml.Node, what string) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		return "", At(n, "%s needs one value", what)
	}
	return n.Value, nil
}

// Number reads a number from 0 to most.
func Number(n *yaml.Node, what string, most float64) (float64, error) {
	s, err := Text(n, what)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > most {
		return 0, At(n, "%s %.40q: a number from 0 to %g", what, s, most)
	}
	return v, nil
}

// Whole reads a whole number from 0 to most.
func Whole(n *yaml.Node, what string, most int64) (int64, error) {
	s, err := Text(n, what)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 || v > most {
		return 0, At(n, "%s %.40q: a whole number from 0 to %d", what, s, most)
	}
	return v, nil
}

// Boolean reads true and on, or false and off.
func Boolean(n *yaml.Node, what string) (bool, error) {
	switch s, err := Text(n, what); {
	case err != nil:
		return false, err
	case s == "true" || s == "on":
		return true, nil
	case s == "false" || s == "off":
		return false, nil
	default:
		return false, At(n, "%s %.40q: on or off", what, s)
	}
}
