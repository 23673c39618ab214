// Package nodetime gives the nodes of a pool their time dimension (B3).
//
// A node has a total D and a free d of each resource, a total time T, and an available time t of what is free, with
// 0 <= d <= D and 0 <= t <= T always. They come from three things:
//
//   - Windows: when the node is open at all ([Schedule]: opening hours, maintenance, bookings, the expiry of a spot
//     machine). T is then the length of the open window, and t what is left until it closes.
//   - Circulation: T is what the node can promise ahead, and each placement promises its amount for its predicted run time.
//     The node's speed in a resource is D a second, so that t is what has not been promised, an amount times a time, divided
//     by D. Each circulation period gives back what was promised for it: while the whole of a resource is in use and nothing
//     new is placed, t grows by a period in each period; while a part of it is, by that part. What a period gives back can
//     be placed at once, while the task still runs.
//   - Predicted ends of what runs ([Node.FreeAt], [Node.When], [Node.Line]).
//
// Where windows and circulation are both set, the smaller time counts. A node that has neither is permanent: its times are
// [Forever]. The package is pure: time is an argument.
package nodetime
