// Command cloud-broker is the broker of Tomocast: it serves the viewer, its API and the studies, knows which edge
// renderers are free, and gives each session a place. cloud-broker --help lists its settings.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/web"
)

func main() {
	service.Main(func(ctx context.Context, args []string) error {
		c, err := parse(args)
		if err != nil {
			return err
		}
		if c.version {
			fmt.Println("cloud-broker", service.Version())
			return nil
		}
		log, err := c.logger(os.Stderr)
		if err != nil {
			return err
		}
		b, err := newBroker(c, log)
		if err != nil {
			return err
		}
		b.viewer = viewer(web.Assets())
		return b.run(ctx)
	})
}
