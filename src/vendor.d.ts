/** Modules that come without types of their own. */

declare module "simple-peer/simplepeer.min.js" {
  /** What is used of simple-peer's prebuilt browser bundle; declared here so that its types reach nobody else. */
  export default class SimplePeer {
    constructor(options: {
      readonly initiator: boolean;
      readonly trickle: boolean;
      readonly objectMode: boolean;
      readonly config: RTCConfiguration;
      readonly channelName: string;
      readonly channelConfig: RTCDataChannelInit;
      /** The constructors that it uses instead of the page's own. */
      readonly wrtc: {
        readonly RTCPeerConnection: typeof RTCPeerConnection;
        readonly RTCSessionDescription: typeof RTCSessionDescription;
        readonly RTCIceCandidate: typeof RTCIceCandidate;
      };
    });
    /** Throws once destroyed. */
    signal(data: unknown): void;
    /** Throws once destroyed, and whatever the channel throws. */
    send(data: Uint8Array): void;
    destroy(): void;
    on(event: "signal", listener: (data: unknown) => void): this;
    on(event: "error", listener: (error: Error & { readonly code?: string }) => void): this;
    on(event: "close", listener: () => void): this;
    /** Discards what its stream side reads. */
    resume(): this;
  }
}
