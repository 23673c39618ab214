// Package signaling is the contract between terminals, brokers and edge renderers: the nouns (task, node,
// attempt, reservation, grant, view state), every message with its examples, tokens, and the WebSocket
// connection that carries them. It knows nothing of rendering, Redis or HTTP routes.
//
// Three links carry messages, each a JSON object with a "type":
//
//   - signalling, terminal to edge, relayed by the broker or direct: [Signal];
//   - control, edge to broker over the edge's own outbound WebSocket: [Control];
//   - five WebRTC data channels, page to edge: [Input] on "input", [Request] and [Event] on "control",
//     [Stamp] on "stamps", [StillHeader] and chunks on "still", [BulkHeader] and chunks on "bulk".
//
// Lengths are millimetres in DICOM patient space (LPS), times are milliseconds unless the name says
// otherwise, and instants are RFC 3339 in UTC. Unknown fields are ignored, so that a newer peer can add some;
// unknown types are answered with an error.
//
// The TypeScript types of the web viewer and the JSON Schema of the view state are generated from this
// package (go generate), and signaling/examples has a worked example of every message, read by the Go and
// the web tests alike.
package signaling

//go:generate go run ./gen
