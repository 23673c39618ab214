// Package sites is what an operator configures of places: sites with their zones, networks, limits and policies, the cost
// table of distances between zones (A3), and what overrides nodes' own words (A10). It is read once at start, and every
// field is checked: a file with a mistake is refused with the line that has it.
//
// A site is a place with terminals, nodes, or both: a hospital, a practice, a data centre. A zone is a part of it within
// which distances do not matter. Terminals are found by the zone that they or their tokens name, or by their network address; of several
// networks that contain it the most specific prefix counts. Example is a whole file.
package sites

// Example is a configuration file with every field, for documentation.
const Example = `sites:
  - name: north                   # letters, digits, '.', '-' and '_'
    zones: [north-ward, north-scan]
    networks:                     # addresses of its terminals, which stand in its first zone
      - 10.1.0.0/16
      - fd00:1::/48
      - {prefix: 10.1.8.0/24, zone: north-scan} # or in another one; the most specific prefix counts
    max-distance-ms: 15           # its terminals take no edge farther away than this
    data-stays: true              # its data does not leave its zones: no edge elsewhere, and no cloud
    when-full: queue              # what requests get that do not say: queue or refuse
    shadows: off                  # its network is so fast that no second edge needs to keep up
    predict-by-creator: off       # how long its tasks will run is predicted without a look at who asks
  - name: practice
    zones: [practice]
    networks: [192.168.17.0/24]
distances:                        # round trips in milliseconds, the same in both directions
  between:
    - {zones: [north-ward, north-scan], ms: 0.8}
    - {zones: [north-ward, practice], ms: 6}
  elsewhere-ms: 30                # between all zones that are not named above
  cloud: {practice: 24, north-ward: 35} # only what is nearer than the cloud is an edge for a zone's terminals
nodes:                            # in place of what the nodes say themselves
  edge-7:
    types: [rendering, image-processing]
    zone: north-scan
    distance-ms: 1.5              # to the terminals of its zone
    capacity: {gpu-memory-mb: 16384, gpu-milli: 1000, encoder-sessions: 4, cpu-milli: 8000, memory-mb: 32768}
    schedule:                     # when it is open; nothing new comes to it while it is closed
      time-zone: Europe/Berlin    # that hours, and times without an offset, are told in; UTC where it is left out
      hours:                      # by the week; a node with neither hours nor open spans is always open
        - {days: [mon, tue, wed, thu, fri], from: "07:30", to: "19:00"}
        - {days: [sat], from: "08:00", to: "13:00"}
      open:                       # whatever the hours say
        - {from: 2026-12-05T18:00, to: 2026-12-06T06:00}
      closed:                     # whatever else is said: maintenance, or a booking by others
        - {from: 2026-12-24T00:00, to: 2026-12-27T00:00}
      expires: 2027-03-31T23:59:00+02:00 # the machine goes
      horizon: 168h               # for how long it promises its resources ahead (T)
      period: 24h                 # how often what it has promised comes back
buffer: {min: 2, share: 0.2}      # nodes kept free: at least min, or this share of the busy ones
policy: risk                      # how nodes are chosen: distance, fragments, risk, packed, patent or spread
quotas:                           # what one user's tasks may hold at a time; what is left out is not bounded
  each: {gpu-milli: 2000, encoder-sessions: 4}
  of:                             # by the subject of the user's token
    research: {gpu-milli: 8000, cpu-milli: 64000}
scaling:                          # running tasks get what they need; off: they keep what they asked for
  sessions:
    window: 5s                    # W1, over which the average use is taken
    mean-of-rates: off            # on: the mean of what was measured, instead of the use divided by the window
    shrink-below: 0.5             # r1, of what it has
    expand-above: 0.9             # r2, more than r1
    shrink-by: leftover           # allocation x (1 - r1); or unused: x (1 - R1), or share: of the request
    shrink-share: 0.2             # that share
    expand-least: 0.1             # of the request, where the use is just above r2
    expand-most: 0.3              # where it uses all that it has
    ceiling: 1                    # how many times its request it has at most; 0: no limit
    settle: 30s                   # how long it runs before it is scaled
    every: 1s                     # how often its use is looked at
    rest-shrink: 1m               # how long an amount stays before it is shrunk
    rest-expand: 1s               # and before it is expanded
    shrink-wait: 2h               # W-a: until what it will need is worked out again
    shrink-give-up: 12h           # W-b: in all, longer than W-a
    expand-wait: 2s               # W-c: until the node's free amount is looked at again
    expand-give-up: 1m            # W-d: in all, longer than W-c
    retry: 1s
    kinds: [gpu-milli, cpu-milli, memory-mb, encoder-threads, encoder-kpps]
  tasks: {window: 10m, settle: 1m, every: 15s} # all other types; with the same fields
defragment:                       # tasks are moved together where nodes have fallen into fragments; off: they stay
  preset: {gpu-milli: 499}        # two nodes or more have more free than this; with policy: spread nothing, unless it is set
  threshold: {gpu-milli: 99}      # a node with more free than this takes part
  hold: 10m                       # W-e: for how long it must be so
  rest: 1h                        # after a round in which nothing could move, until the next for the same reason
  settle: 1h                      # for how long a task that was moved by hand stays, unless another one waits for room
  window: 30m                     # W2, over which a node's average use is taken
  every: 30s                      # how often it is looked at
  most: 64                        # tasks that move in a round
  room-wait: 10m                  # W-f: until the target's room is read again
  room-give-up: 2h                # W-g: in all, longer than W-f
  elsewhere: on                   # then another target is tried
  handover: 2m                    # how long a terminal may take to go over
  retry: 2s
  at-once: 16                     # moves that hold a place on their target
  most-moves: 10000               # moves in all
move-before-closing: 2m           # how long before a node closes what runs there is moved away
`
