// Gen writes the JSON Schemas of the contract: schema/view-state.schema.json, the document that terminals
// save and share, and schema/contract.schema.json, from which the web viewer's types are generated.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"strconv"

	"github.com/invopop/jsonschema"

	"github.com/tomocast/tomocast/signaling"
)

// roots are the types that the web needs and that no other one mentions.
type roots struct {
	Signal      signaling.Signal              `json:"signal"`
	Control     signaling.Control             `json:"control"`
	Task        signaling.Task                `json:"task"`
	Grant       signaling.Grant               `json:"grant"`
	Pending     signaling.Pending             `json:"pending"`
	NearEdges   signaling.NearEdges           `json:"nearEdges"`
	Override    signaling.Override            `json:"override"`
	Schedule    signaling.Schedule            `json:"schedule"`
	NodeTime    signaling.NodeTime            `json:"nodeTime"`
	Moving      signaling.Moving              `json:"moving"`
	Forecast    signaling.Forecast            `json:"forecast"`
	Reservation signaling.Reservation         `json:"reservation"`
	Node        signaling.Node                `json:"node"`
	ViewState   signaling.ViewState           `json:"viewState"`
	Input       signaling.Input               `json:"input"`
	Request     signaling.Request             `json:"request"`
	Event       signaling.Event               `json:"event"`
	Stamp       signaling.Stamp               `json:"stamp"`
	StillHeader signaling.StillHeader         `json:"stillHeader"`
	BulkHeader  signaling.BulkHeader          `json:"bulkHeader"`
	HistogramIn signaling.HistogramParameters `json:"histogramParameters"`
	Histogram   signaling.Histogram           `json:"histogram"`

	Gaussian       signaling.GaussianParameters       `json:"gaussianParameters"`
	Median         signaling.MedianParameters         `json:"medianParameters"`
	Reconstruction signaling.ReconstructionParameters `json:"reconstructionParameters"`
	StatisticsIn   signaling.StatisticsParameters     `json:"statisticsParameters"`
	Statistics     signaling.Statistics               `json:"statistics"`
	MixtureIn      signaling.MixtureParameters        `json:"mixtureParameters"`
	Mixture        signaling.Mixture                  `json:"mixture"`
}

func main() {
	enums, err := constants(".")
	if err != nil {
		log.Fatal(err)
	}
	r := &jsonschema.Reflector{
		AllowAdditionalProperties: true, // unknown fields are ignored
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if values := enums[t.Name()]; len(values) > 0 && t.Kind() == reflect.String {
				return &jsonschema.Schema{Type: "string", Enum: values}
			}
			return nil
		},
	}
	if err := r.AddGoComments("github.com/tomocast/tomocast/signaling", "."); err != nil {
		log.Fatal(err)
	}
	write(r, "view-state", &signaling.ViewState{})
	write(r, "contract", &roots{})
}

func write(r *jsonschema.Reflector, name string, v any) {
	schema := r.Reflect(v)
	schema.ID = jsonschema.ID("https://tomocast.invalid/schema/" + name)
	doc, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join("schema", name+".schema.json")
	if err := os.WriteFile(path, append(doc, '\n'), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println("wrote", filepath.Join("signaling", path))
}

// constants collects the values of the package's string constants by the name of their type.
func constants(dir string) (map[string][]any, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	out := map[string][]any{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return nil, fmt.Errorf("read the contract: %w", err)
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				value := spec.(*ast.ValueSpec)
				name, ok := value.Type.(*ast.Ident)
				if !ok {
					continue
				}
				for _, e := range value.Values {
					if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						s, err := strconv.Unquote(lit.Value)
						if err != nil {
							return nil, err
						}
						out[name.Name] = append(out[name.Name], s)
					}
				}
			}
		}
	}
	return out, nil
}
