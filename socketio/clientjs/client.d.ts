/** The data of a refusal, as the server sends it: docs/operations.md lists the reasons. */
export interface Refusal {
  reason?: string;
  message?: string;
  code?: string;
  retryable?: boolean;
}

export interface Options<Socket> {
  /**
   * Returns a fresh token, or null when the user has to log in. It is called for
   * every connection attempt and every renewal, never twice at once. Throw when
   * there is none now: the helper asks again after a back-off.
   */
  getToken(request: {
    /** 'connect', 'renew', or the reason of the last refusal. */
    reason: string;
    /** Aborted when the call is given up, after the timeout. */
    signal: AbortSignal;
  }): string | null | undefined | Promise<string | null | undefined>;

  /** The connection is authenticated: also after every reconnection. */
  onAuthenticated?(socket: Socket): void;
  /** The helper has stopped, because only a login helps. Call start() after it. */
  onStopped?(refusal: Refusal): void;
  /** The helper waits `delay` milliseconds before the next attempt. */
  onRetry?(wait: { delay: number; cause: Error | Refusal | string }): void;

  /**
   * How the server expects the token: 'handshake' sends it with the connection
   * (auth payload; query with clients 1.x and 2.x), 'event' emits "authenticate".
   * The default is 'handshake' with clients 3.x and 4.x, otherwise 'event'.
   */
  by?: 'handshake' | 'event';
  /** The name of the token's member: 'token', or 'ticket' for one-time tickets. */
  name?: string;
  /** The back-off, in milliseconds: 1000, doubled up to 30000, with jitter. */
  minDelay?: number;
  maxDelay?: number;
  /** How long getToken, or a connection attempt, may take, in milliseconds: 20000. */
  timeout?: number;
  /** The BroadcastChannel on which tabs of one user share tokens; null for none. */
  channel?: string | null;
  /** The application's events of join() and leave(): 'join' and 'leave'. */
  joinEvent?: string;
  leaveEvent?: string;
  /** More options of socket.io-client. Its reconnection is replaced by the helper's. */
  io?: object;
}

export interface Connection<Socket> {
  /** The socket of socket.io-client. */
  readonly socket: Socket;
  readonly state: 'stopped' | 'waiting' | 'fetching' | 'connecting' | 'authenticated';
  /** Begins anew after a stop: after a login. */
  start(): void;
  /** Disconnects, and does not reconnect. */
  stop(): void;
  /** Emits the join event now and after every reconnection, until leave(). */
  join(...room: unknown[]): void;
  leave(...room: unknown[]): void;
}

/** Opens a connection with socket.io-client's `io` and keeps it authenticated. */
export function authenticated<Socket>(
  io: (url: string, options: any) => Socket,
  url: string,
  options: Options<Socket>,
): Connection<Socket>;

// The global of client.js.
export as namespace socketioJWT;
