// The five data channels of the contract (signaling/channels.go), negotiated by id so that none waits for an
// opening handshake.

export type ChannelName = "input" | "control" | "stamps" | "still" | "bulk";

const lossy = { ordered: false, maxRetransmits: 0 } as const;
const reliable = { ordered: true } as const;

const layout: Record<ChannelName, RTCDataChannelInit & { id: number }> = {
  input: { id: 0, ...lossy },
  control: { id: 1, ...reliable },
  stamps: { id: 2, ...lossy },
  still: { id: 3, ...reliable },
  bulk: { id: 4, ...reliable },
};

export type Channels = Record<ChannelName, RTCDataChannel>;

/** openChannels makes the five channels on a connection that has not been negotiated yet. */
export function openChannels(connection: RTCPeerConnection): Channels {
  const open = (name: ChannelName): RTCDataChannel => {
    const channel = connection.createDataChannel(name, { negotiated: true, ...layout[name] });
    channel.binaryType = "arraybuffer";
    return channel;
  };
  return { input: open("input"), control: open("control"), stamps: open("stamps"), still: open("still"), bulk: open("bulk") };
}
