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
buffer: {min: 2, share: 0.2}      # nodes kept free: at least min, or this share of the busy ones
`
