// Command cloud-broker is the broker of Tomocast: it serves the viewer, its API and the studies, knows which edge
// renderers are free, and gives each session a place. cloud-broker --help lists its settings.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // opening hours are told in time zones, which small container images lack

	"github.com/redis/go-redis/v9"

	"github.com/tomocast/tomocast/cloud-broker/defrag"
	"github.com/tomocast/tomocast/cloud-broker/poolcmd"
	"github.com/tomocast/tomocast/cloud-broker/predict"
	"github.com/tomocast/tomocast/cloud-broker/replay"
	"github.com/tomocast/tomocast/cloud-broker/scale"
	"github.com/tomocast/tomocast/cloud-broker/simulate"
	"github.com/tomocast/tomocast/internal/service"
	"github.com/tomocast/tomocast/web"
)

// movePause is how long a task stands still when it moves in a simulation.
const movePause = 30 * time.Second

func main() {
	service.Main(func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			switch args[0] {
			case "pool":
				return poolcmd.Run(ctx, args[1:], os.Stdout)
			case "simulate":
				return simulate.Command(ctx, args[1:], os.Stdout, simulate.Hooks{
					Defragment: func() (simulate.Hook, error) { return replay.NewDefrag(defrag.Default(), movePause) },
					Scale: func(low, high float64) (simulate.Hook, error) {
						return replay.NewScale(scale.Default(), replay.Use{Low: low, High: high})
					},
				})
			case "predict":
				if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(strings.TrimLeft(a, "-"), "trace") }) {
					return predict.Command(ctx, args[1:], os.Stdout)
				}
				return poolcmd.Run(ctx, args, os.Stdout) // of a running pool
			}
		}
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
		redis.SetLogger(redisLog{log})
		b, err := newBroker(c, log)
		if err != nil {
			return err
		}
		b.viewer = viewer(web.Assets())
		return b.run(ctx)
	})
}

// redisLog takes what the Redis client logs by itself. The parts that use Redis say what matters of it.
type redisLog struct{ *slog.Logger }

// Printf logs for developers.
func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
