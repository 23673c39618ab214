// One WebRTC connection to an edge: it offers, trickles candidates, and restarts ICE when the path breaks.
import type { ICEServer, Signal } from "../contract.js";
import { type ChannelName, type Channels, openChannels } from "./channels.js";
import { Emitter } from "./emitter.js";
import type { ProblemError } from "./problem.js";
import type { Credentials } from "./signal.js";
import { SignalLink } from "./signal.js";
import { type BulkPipe, ChannelPipe } from "./upload.js";

export interface ConnectionEvents {
  stream: MediaStream;
  /** open is told when the control channel opens. */
  open: undefined;
  /** interrupted is told when nothing comes through any more; restored when it does again. */
  interrupted: undefined;
  restored: undefined;
  /** suspect is told when signalling was cut, as it is when an edge is gone: pictures may come all the same. */
  suspect: undefined;
  /** lost is told when the connection cannot be restored. */
  lost: ProblemError | undefined;
  message: { channel: ChannelName; data: string | ArrayBuffer };
}

/** How long ICE may look for its way back by itself, and how long a restart may take. */
const disconnectedMs = 1_500;
const restartMs = 5_000;
/** How long a new connection may take. */
const openMs = 20_000;

/** Connection belongs to one attempt of a task. */
export class Connection extends Emitter<ConnectionEvents> {
  readonly #link: SignalLink;
  readonly #connection: RTCPeerConnection;
  readonly #channels: Channels;
  readonly #receiver: RTCRtpReceiver;
  #interrupted = false;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;
  #lostTimer: ReturnType<typeof setTimeout> | undefined;
  #wasOpen = false;
  #closed = false;

  /** resume is the secret of an earlier connection to the same attempt, which this one takes over. */
  constructor(credentials: () => Promise<Credentials>, iceServers: ICEServer[], resume = "") {
    super();
    this.#connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#channels = openChannels(this.#connection);
    const transceiver = this.#connection.addTransceiver("video", { direction: "recvonly" });
    preferCodecs(transceiver);
    this.#receiver = transceiver.receiver;
    showAtOnce(this.#receiver);
    this.#link = new SignalLink(credentials, resume);
    this.#listen();
  }

  /** open connects and negotiates; events tell what becomes of it. */
  open(): void {
    this.#lostTimer = setTimeout(() => {
      this.#lose(undefined);
    }, openMs);
    void this.#link.open();
    void this.#offer(false);
  }

  /** resume is the secret that lets this page come back to its session. */
  get resume(): string {
    return this.#link.resume;
  }

  /** wasOpen says whether the edge was ever reached. */
  get wasOpen(): boolean {
    return this.#wasOpen;
  }

  get connected(): boolean {
    return this.#connection.connectionState === "connected";
  }

  /** send gives a message to a channel, and says false when the channel is not open or too far behind. */
  send(name: ChannelName, message: string, mostBuffered = 1 << 20): boolean {
    const channel = this.#channels[name];
    if (channel.readyState !== "open" || channel.bufferedAmount > mostBuffered) return false;
    channel.send(message);
    return true;
  }

  /** bulk is where files of the page go. */
  bulk(): BulkPipe {
    return new ChannelPipe(this.#channels.bulk);
  }

  /** newestTimestamp is the RTP timestamp of the last frame given to the page, where the browser tells it. */
  newestTimestamp(): number | undefined {
    return this.#receiver.getSynchronizationSources()[0]?.rtpTimestamp;
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  /** check looks whether the path still stands, after sleep, a change of network, or silence of the edge. */
  check(): void {
    this.#link.nudge();
    if (this.#connection.connectionState !== "connected") this.#interrupt();
  }

  /** restart restarts ICE, whatever the state; the connection is lost where nothing comes of that. */
  restart(): void {
    this.#interrupt();
  }

  /** alive tells that the edge has answered, whatever was feared. */
  alive(): void {
    if (this.#interrupted && this.connected) this.#restored();
  }

  /** close ends the connection, with a good-bye to the edge where the reason is given. */
  close(reason?: string): void {
    this.#closed = true;
    clearTimeout(this.#graceTimer);
    clearTimeout(this.#lostTimer);
    this.clear();
    this.#link.close(reason);
    this.#connection.close();
  }

  #listen(): void {
    const connection = this.#connection;
    connection.ontrack = (event) => {
      this.emit("stream", event.streams[0] ?? new MediaStream([event.track]));
    };
    connection.onicecandidate = (event) => {
      const signal: Signal = { type: "candidate" };
      if (event.candidate !== null) signal.candidate = event.candidate.toJSON() as NonNullable<Signal["candidate"]>;
      this.#link.send(signal);
    };
    connection.onconnectionstatechange = () => {
      this.#stateChanged();
    };
    for (const [name, channel] of Object.entries(this.#channels) as [ChannelName, RTCDataChannel][]) {
      channel.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
        this.emit("message", { channel: name, data: event.data });
      };
    }
    this.#channels.control.onopen = () => {
      this.#wasOpen = true;
      this.emit("open", undefined);
    };
    this.#channels.control.onclose = () => {
      if (!this.#closed) this.#lose(undefined);
    };

    this.#link.on("welcome", ({ iceServers }) => {
      if (iceServers.length > 0) connection.setConfiguration({ ...connection.getConfiguration(), iceServers });
      // The offer of an interrupted connection may have been lost with the old socket.
      if (this.#interrupted) void this.#offer(true);
    });
    this.#link.on("answer", (sdp) => {
      if (connection.signalingState !== "have-local-offer") return;
      connection.setRemoteDescription({ type: "answer", sdp }).catch(() => {
        // The answer to an offer that a newer one has replaced.
      });
    });
    this.#link.on("candidate", (candidate) => {
      connection.addIceCandidate(candidate ?? undefined).catch(() => {
        // One candidate that cannot be used is no reason to give up: the others are tried.
      });
    });
    this.#link.on("problem", (problem) => {
      // What signalling says ends nothing while pictures come.
      if (this.connected && !this.#interrupted) this.emit("suspect", undefined);
      else if (problem.code !== "unavailable" && problem.code !== "rate-limited") this.#lose(problem);
    });
    this.#link.on("open", (open) => {
      if (!open && this.connected) this.emit("suspect", undefined);
    });
  }

  #stateChanged(): void {
    clearTimeout(this.#graceTimer);
    switch (this.#connection.connectionState) {
      case "connected":
        this.#restored();
        break;
      case "disconnected":
        this.#graceTimer = setTimeout(() => {
          this.#interrupt();
        }, disconnectedMs);
        break;
      case "failed":
        this.#interrupt();
        break;
      case "closed":
        if (!this.#closed) this.#lose(undefined);
        break;
      default: // new and connecting lead to one of the others
    }
  }

  #restored(): void {
    clearTimeout(this.#lostTimer);
    this.#lostTimer = undefined;
    if (!this.#interrupted) return;
    this.#interrupted = false;
    this.emit("restored", undefined);
  }

  #interrupt(): void {
    if (this.#closed) return;
    if (!this.#interrupted) {
      this.#interrupted = true;
      this.emit("interrupted", undefined);
    }
    this.#lostTimer ??= setTimeout(() => {
      this.#lose(undefined);
    }, restartMs);
    void this.#offer(true);
  }

  #lose(problem: ProblemError | undefined): void {
    if (this.#closed) return;
    clearTimeout(this.#lostTimer);
    this.emit("lost", problem);
  }

  async #offer(iceRestart: boolean): Promise<void> {
    try {
      const offer = await this.#connection.createOffer({ iceRestart });
      if (this.#closed) return;
      await this.#connection.setLocalDescription(offer);
      this.#link.send({ type: "offer", sdp: this.#connection.localDescription?.sdp ?? offer.sdp ?? "" });
    } catch {
      if (this.#connection.signalingState !== "closed") this.#lose(undefined);
    }
  }
}

/** What edges encode first, in the order of how cheap it is to decode; the rest follows as the browser has it. */
const preferred = ["video/h264", "video/vp8"];

function preferCodecs(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  if (codecs.length === 0 || !("setCodecPreferences" in transceiver)) return;
  const rank = (codec: RTCRtpCodec): number => {
    const at = preferred.indexOf(codec.mimeType.toLowerCase());
    return at < 0 ? preferred.length : at;
  };
  transceiver.setCodecPreferences(codecs.toSorted((a, b) => rank(a) - rank(b)));
}

/** showAtOnce asks the browser not to hold pictures back. */
function showAtOnce(receiver: RTCRtpReceiver): void {
  receiver.jitterBufferTarget = 0;
  // The same by its older name, for browsers that have only that.
  (receiver as RTCRtpReceiver & { playoutDelayHint?: number }).playoutDelayHint = 0;
}
