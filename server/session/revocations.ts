/** A token that no longer counts, or all tokens that a user was given up to a moment. */
export type Revocation = {
  /** When it was revoked, ms since 1970; a user's later tokens are good. */
  at: number
  /** When it may be forgotten: when no token that it concerns is valid any more. */
  until: number
} & ({ user: string } | { tokenId: string })

/** What instances tell each other about somebody's connections. */
export type ControlMessage =
  | { kind: 'revoke'; revocation: Revocation }
  | { kind: 'disconnect'; user: string; reconnect: boolean }

/**
 * Where revocations live, and how instances hear of each other's decisions. Errors: GatewayError
 * UNAVAILABLE, where nothing was noted; OUTCOME_UNKNOWN, where it is safe to repeat.
 */
export interface ControlStore {
  /** Notes it until `until` and tells every instance, this one as well. LIMIT_REACHED beyond 100,000. */
  revoke(revocation: Revocation): Promise<void>
  /** Tells every instance, this one as well; nothing is noted. */
  tell(message: ControlMessage): Promise<void>
  /** All that stand. */
  standing(): Promise<readonly Revocation[]>
  /**
   * Begins to listen. `interrupted` is called once messages are being received, and again whenever
   * some may have been missed: then `standing` says what is known.
   */
  listen(listener: { heard(message: ControlMessage): void; interrupted(): void }): void
}

/** For servers: decides about people who may be connected to any instance. */
export interface Control {
  /**
   * Ends the connections that a token, or a user's tokens, opened, on every instance, and refuses
   * these tokens from now on. `until` defaults to a day from now.
   *
   * @throws GatewayError UNAVAILABLE, OUTCOME_UNKNOWN: repeat it; LIMIT_REACHED
   */
  revoke(who: ({ user: string } | { tokenId: string }) & { until?: number }): Promise<void>
  /** Ends a user's connections on every instance; `reconnect` (false) lets plain clients come back. */
  disconnectUser(user: string, options?: { reconnect?: boolean }): Promise<void>
}
