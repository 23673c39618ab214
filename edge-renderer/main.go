// Edge-renderer renders medical studies on this machine's GPU and streams the pictures to browsers.
//
// Without a command it joins a pool: it registers with a broker and takes tasks. The commands render and
// inspect do the same work on a folder from the command line.
package main

import (
	"context"

	_ "github.com/tomocast/tomocast/internal/dicom/codec/native"
	"github.com/tomocast/tomocast/internal/dicom/codec/worker"
	"github.com/tomocast/tomocast/internal/service"
)

func main() {
	worker.Main() // where this process is one that decodes images, it serves and ends there
	service.Main(func(ctx context.Context, args []string) error {
		defer worker.Close()
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
