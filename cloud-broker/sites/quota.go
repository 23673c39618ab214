package sites

import (
	"go.yaml.in/yaml/v3"

	"github.com/tomocast/tomocast/internal/strictyaml"
	"github.com/tomocast/tomocast/signaling"
)

// maxQuotas bounds how many users have a quota of their own.
const maxQuotas = 10_000

// Quotas bound what a user's tasks may hold at a time (B1). An amount that is 0 is not bounded.
type Quotas struct {
	Each signaling.Resources            // of everyone who has none of their own
	Of   map[string]signaling.Resources // by the subject of their token
}

// Quota is what a user's tasks may hold at a time, 0 for what is not bounded.
func (c *Config) Quota(creator string) signaling.Resources {
	if c == nil {
		return signaling.Resources{}
	}
	if q, own := c.Quotas.Of[creator]; own {
		return q
	}
	return c.Quotas.Each
}

func (p *parser) quotas(n *yaml.Node) error {
	q := &p.config.Quotas
	return strictyaml.Fields(n, "quotas", map[string]strictyaml.Reader{
		"each": func(v *yaml.Node) error { return quota(v, "each", &q.Each) },
		"of": func(v *yaml.Node) error {
			if len(v.Content)/2 > maxQuotas {
				return strictyaml.At(v, "of has %d entries: at most %d", len(v.Content)/2, maxQuotas)
			}
			q.Of = make(map[string]signaling.Resources, len(v.Content)/2)
			return strictyaml.Each(v, "of", func(k, v *yaml.Node) error {
				if k.Value == "" || len(k.Value) > 256 {
					return strictyaml.At(k, "user %.40q: the subject of their token, 1 to 256 bytes", k.Value)
				}
				var r signaling.Resources
				err := quota(v, "the quota of "+k.Value, &r)
				q.Of[k.Value] = r
				return err
			})
		},
	})
}

func quota(n *yaml.Node, what string, r *signaling.Resources) error {
	if err := strictyaml.Each(n, what, func(k, v *yaml.Node) error {
		if v.Value == "0" {
			return strictyaml.At(v, "%s is 0: leave it out where it is not bounded", k.Value)
		}
		return nil
	}); err != nil {
		return err
	}
	return amounts(n, what, r)
}
