// Edge-renderer renders medical studies on this machine's GPU and streams the pictures to browsers.
//
// Without a command it joins a pool: it registers with a broker and takes tasks. The commands render and
// inspect do the same work on a folder from the command line.
package main

import (
	"context"

	"github.com/tomocast/tomocast/internal/service"
)

func main() {
	service.Main(func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			switch args[0] {
			case "render":
				return renderCommand(ctx, args[1:])
			case "inspect":
				return inspectCommand(ctx, args[1:])
			}
		}
		return serve(ctx, args)
	})
}
